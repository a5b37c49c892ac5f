"""The examples on real experiments: the figures that others print of the same data, and that they say what they lack."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("cookie_cats", "hillstrom", "asos", "open_bandit")


def example(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_without_data_they_say_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECLOOP_TEST_DATA", str(tmp_path))
    example(name).main()
    said = capsys.readouterr().out
    assert said.startswith("no ")
    assert said.endswith("set RECLOOP_TEST_DATA\n")


@pytest.mark.data
def test_a_games_gate(data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = example("cookie_cats")
    readout, verdict, few = module.read(data_dir)
    (week,), (day,) = readout.of("week"), readout.of("day")
    assert (week.effect.estimate, week.effect.p_value) == (
        pytest.approx(-0.0082, abs=5e-5), pytest.approx(0.0016, abs=5e-5)
    )  # fmt: skip
    assert (day.effect.estimate, day.effect.p_value) == (
        pytest.approx(-0.0059, abs=5e-5), pytest.approx(0.074, abs=5e-4)
    )  # fmt: skip
    assert readout.split.p_value == pytest.approx(0.0086, abs=5e-5)
    assert (readout.checks[0].name, readout.checks[0].level) == ("traffic", "yellow")
    assert verdict.verdict == "roll_back"
    assert few.user == "6390605"  # of 49,854 rounds
    assert (few.estimate, few.estimate + few.moved) == (
        pytest.approx(-1.157, abs=1e-3),
        pytest.approx(-0.044, abs=1e-3),
    )
    monkeypatch.setenv("RECLOOP_TEST_DATA", str(data_dir))
    module.main()
    said = capsys.readouterr().out
    assert "Roll back gate_40." in said
    assert "comes by chance in 0.86% of experiments" in said


@pytest.mark.data
def test_an_email_campaign(data_dir: Path) -> None:
    readout, verdict = example("hillstrom").read(data_dir)
    known = {
        "men": {"visit": 0.0766, "conversion": 0.0068, "spend": 0.770},
        "women": {"visit": 0.0452, "conversion": 0.0031, "spend": 0.424},
    }
    for treatment, effects in known.items():
        for metric, effect in effects.items():
            (found,) = readout.of(metric, treatment)
            assert found.effect.estimate == pytest.approx(effect, abs=5e-4 if metric == "spend" else 5e-5)
    assert (verdict.verdict, verdict.treatment) == ("ship", "men")
    assert {one.level for one in readout.checks} == {"green"}
    differ = [one for one in readout.segments.tests if one.p_adjusted < 0.05]
    assert [(one.treatment, one.metric, one.column) for one in differ] == [
        ("women", "visit", "bought_women"), ("women", "visit", "bought_men")
    ]  # fmt: skip
    effects = {
        one.value: one.effect.estimate
        for one in readout.segments.effects
        if (one.treatment, one.metric, one.column) == ("women", "visit", "bought_women")
    }
    assert effects["true"] > 4 * effects["false"] > 0


@pytest.mark.data
def test_peeking_at_78_experiments(data_dir: Path) -> None:
    found = example("asos").peek(data_dir)
    assert found.height == 396
    share = {name: found[name].mean() for name in found.columns if " " in name}
    assert (share["naive end"], share["naive ever"]) == (pytest.approx(0.27, abs=0.006), pytest.approx(0.57, abs=0.006))
    for rule in ("always", "mixture", "msprt", "group"):
        assert share[f"{rule} ever"] < 0.65 * share["naive ever"]
        assert share[f"{rule} end"] < share["naive end"]
        denied = (found[f"{rule} ever"] & ~found["naive end"]).sum()
        assert denied < 0.4 * (found["naive ever"] & ~found["naive end"]).sum()


@pytest.mark.data
def test_two_logged_policies(data_dir: Path) -> None:
    found = example("open_bandit").read(data_dir)
    assert found.clicks == (46, 69)
    assert found.rows.p_value == pytest.approx(0.031, abs=1e-3)
    assert found.detectable > found.rows.estimate
    # random's click rate from the log of Thompson sampling, self-normalised, and its effective sample
    assert (found.reweighted.mean, found.effective) == (pytest.approx(0.0032, abs=5e-5), pytest.approx(656, abs=1))
