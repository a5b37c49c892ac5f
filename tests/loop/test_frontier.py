"""The search for policies: what is turned, what is tried, resumed to the same, and what is recommended."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.compose import SlateConfig, policy_config
from recloop.compose.objectives import ObjectivesConfig
from recloop.errors import ConflictError, DataError, SettingError
from recloop.evaluate import Guardrail
from recloop.loop.front_found import FrontFound
from recloop.loop.frontier import Plain, Searched, search
from recloop.loop.knobs import Knobs
from recloop.loop.plan import Plan
from recloop.loop.policy_toml import arms_toml, policy_toml, with_policy

pytest.importorskip("optuna")

KNOBS = Knobs(SlateConfig(candidates=50), ("good", "odd", "bad"), ("novelty",), diverse=True)
AIMS = (Plain("clicks"), Plain("churn", higher=False))


class World:
    """A made-up world: ``good`` earns clicks, ``odd`` keeps users, a little novelty does both."""

    def __init__(self) -> None:
        self.asked: list[SlateConfig] = []

    def __call__(self, policy: SlateConfig) -> Mapping[str, float]:
        self.asked.append(policy)
        weights = policy.weights
        total = sum(weights.values())
        good, odd = weights.get("good", 0.0) / total, weights.get("odd", 0.0) / total
        novelty = 0.0 if policy.objectives is None else policy.objectives.weighed.get("novelty", 0.0)
        mixed = 0.3 * good * odd
        return {
            "clicks": good + 0.5 * odd + mixed + 0.1 * novelty * (1 - novelty),
            "churn": 1 - odd - 0.5 * good - mixed - 0.05 * novelty,
        }


def run(folder: Path, trials: int, world: World, **more: Any) -> Searched:
    return search(KNOBS, AIMS, world, folder, identity={"world": 1}, trials=trials, seed=3, **more)


def seen(found: Searched) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, dict(t.settings), dict(t.values)) for t in found.trials]


def test_knobs_name_what_may_be_turned() -> None:
    assert list(KNOBS.space) == ["source:good", "source:odd", "source:bad", "weigh:novelty", "diversity"]
    alone = KNOBS.policy(KNOBS.alone("odd"))
    assert (alone.weights, alone.objectives, alone.diversity, alone.candidates) == ({"odd": 1.0}, None, 0.0, 50)
    nothing = KNOBS.policy({"source:good": 0.01, "source:odd": 0.02, "source:bad": 0.0, "weigh:novelty": 1.0})
    assert nothing.weights == {"odd": 1.0}
    assert nothing.objectives is not None
    assert nothing.objectives.weighed["novelty"] == 1.0
    with pytest.raises(SettingError, match="there is no objective 'novel' to weigh"):
        Knobs(SlateConfig(), ("good",), ("novel",))
    with pytest.raises(SettingError, match="there is no strategy to compose"):
        Knobs(SlateConfig(), ())


def test_single_strategies_are_tried_first_and_beaten(tmp_path: Path) -> None:
    world = World()
    found = run(tmp_path, 60, world)
    assert [policy.weights for policy in world.asked[:3]] == [{"good": 1.0}, {"odd": 1.0}, {"bad": 1.0}]
    assert len(world.asked) == len({repr(policy) for policy in world.asked})  # none is judged twice
    front = FrontFound.of(KNOBS, AIMS, found, judged="A simulation.")
    assert front.baseline.values["clicks"] == 1.0
    assert front.volume > front.alone + 0.05
    assert all(np.diff(front.course) >= -1e-12)
    assert front.course[-1] == pytest.approx(front.volume)
    for pick in front.picks:
        assert pick.values["clicks"] >= 0.98
        assert pick.policy == KNOBS.policy(pick.trial.settings)
    assert {part for pick in front.picks for part in pick.name.split("-")} == {"accurate", "knee", "balanced"}
    frame = front.frame()
    assert frame.height == 60
    assert frame["front"].sum() == len(front.front)
    assert "of 60 policies are beaten by no other" in front.sentence


def test_an_interrupted_search_makes_the_same_trials(tmp_path: Path) -> None:
    whole = run(tmp_path / "a", 24, World())
    run(tmp_path / "b", 7, World())

    class Tired(World):
        def __call__(self, policy: SlateConfig) -> Mapping[str, float]:
            if len(self.asked) == 5:
                raise KeyboardInterrupt
            return super().__call__(policy)

    stopped = run(tmp_path / "b", 24, Tired())
    assert stopped.stopped
    assert len(stopped.trials) < 24
    again = World()
    assert seen(run(tmp_path / "b", 24, again)) == seen(whole)
    assert len(again.asked) < 20  # what was known was not judged again


def test_another_world_is_another_search(tmp_path: Path) -> None:
    first = run(tmp_path, 3, World())
    second = search(KNOBS, AIMS, World(), tmp_path, identity={"world": 2}, trials=3, seed=3)
    assert first.folder != second.folder


def test_dear_trials_by_gaussian_processes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    front = FrontFound.of(KNOBS, AIMS, run(tmp_path, 14, World(), sampler="gp"))
    assert front.volume > front.alone


def test_failed_and_undefined_trials_are_kept_apart(tmp_path: Path) -> None:
    class Broken(World):
        def __call__(self, policy: SlateConfig) -> Mapping[str, float]:
            if policy.weights == {"bad": 1.0}:
                raise DataError("nothing to show")
            told = dict(super().__call__(policy))
            return told | ({"churn": float("nan")} if policy.weights == {"odd": 1.0} else {})

    found = run(tmp_path, 8, Broken())
    reasons = {trial.reason for trial in found.trials if trial.state == "failed"}
    assert reasons == {"nothing to show.", "churn undefined"}
    assert FrontFound.of(KNOBS, AIMS, found).front


def test_guardrails_keep_points_out(tmp_path: Path) -> None:
    found = run(tmp_path, 40, World())
    low = FrontFound.of(KNOBS, AIMS, found, [Guardrail.parse("churn<=0.3")])
    assert low.picks
    assert all(pick.values["churn"] <= 0.3 for pick in low.picks)
    none = FrontFound.of(KNOBS, AIMS, found, [Guardrail.parse("clicks>=9")])
    assert none.picks == ()
    assert "None keeps clicks at least 9: nothing is recommended" in none.sentence


def test_the_search_heeds_what_must_be_kept(tmp_path: Path) -> None:
    class Sold(World):
        def __call__(self, policy: SlateConfig) -> Mapping[str, float]:
            told = super().__call__(policy)
            return {**told, "new": 0.02 + 0.5 * policy.diversity}

    guards = [Guardrail.parse("clicks>=70%"), Guardrail.parse("new>=0.2")]
    free = [run(tmp_path / f"free{seed}", 100, Sold(), timeout=None) for seed in range(1)]
    bound = [run(tmp_path / f"bound{seed}", 100, Sold(), guards=guards) for seed in range(1)]
    today = {"clicks": 1.0, "new": 0.02}

    def keep(found: Searched) -> int:
        return sum(
            0.02 + 0.5 * KNOBS.policy(trial.settings).diversity >= 0.2 and trial.values["clicks"] >= 0.7
            for trial in found.trials
        )

    assert keep(bound[0]) > 1.5 * keep(free[0])
    for trial in bound[0].trials:
        assert set(trial.values) == {"clicks", "churn", "new"}
    front = FrontFound.of(KNOBS, AIMS, bound[0], guards)
    assert front.picks
    assert all(guard.keeps(pick.values, today) for pick in front.picks for guard in guards)
    assert seen(run(tmp_path / "bound0", 100, Sold(), guards=guards)) == seen(bound[0])
    assert bound[0].folder.name != free[0].folder.name  # other guardrails, another search


def test_what_is_no_search(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="1 aim given; a front has two or more"):
        search(KNOBS, AIMS[:1], World(), tmp_path, identity={})
    with pytest.raises(SettingError, match="there is nothing to search"):
        search(Knobs(SlateConfig(), ("good",)), AIMS, World(), tmp_path, identity={})

    def judge(_policy: SlateConfig) -> Mapping[str, float]:
        raise DataError("nothing")

    with pytest.raises(SettingError, match="no trial was finished: nothing"):
        search(KNOBS, AIMS, judge, tmp_path, identity={}, trials=2)


# ---- a policy as text


POLICY = SlateConfig(
    sources={"ease": 1.0, "a b": 0.25},
    diversity=0.3,
    candidates=100,
    objectives=ObjectivesConfig(weights={"novelty": 0.5}, prices={"new": 1.0}, half_life=7.0),
)


def test_a_policy_is_read_back_from_its_text() -> None:
    table = tomllib.loads(policy_toml(POLICY, comment="one\ntwo"))["policy"]
    back = policy_config(table)
    assert isinstance(back, SlateConfig)
    assert back.objectives is not None
    assert back.objectives.prices == {}  # learned by the run that uses it
    assert (back.weights, back.diversity, back.candidates) == (POLICY.weights, 0.3, 100)
    assert (back.objectives.weights, back.objectives.half_life) == ({"novelty": 0.5}, 7.0)
    arms = policy_config(
        tomllib.loads(arms_toml({"knee": POLICY, "accurate": SlateConfig(sources=["ease"])}))["policy"]
    )
    assert list(arms.arms) == ["knee", "accurate"]  # type: ignore[union-attr]


def test_only_the_policy_of_a_plan_is_replaced() -> None:
    text = (
        '# mine\n[data]\nevents = "events.csv"  # the log\n\n[policy]\nkind = "thompson"\n\n'
        '[policy.arms.a]\nsources = ["ease"]\n\n[[policy.objectives.constraints]]\nof = "new"\n\n[run]\nseed = 3\n'
    )
    made = with_policy(text, SlateConfig(sources=["ease"]), "knee")
    plan = Plan.of(tomllib.loads(made))
    assert plan.policy == SlateConfig(sources=["ease"])
    assert plan.run.seed == 3
    assert "# mine" in made
    assert "# the log" in made
    assert "thompson" not in made
    with pytest.raises(ConflictError, match="cannot be replaced line by line"):
        with_policy('policy = {sources = ["ease"]}\n[run]\nseed = 1\n', SlateConfig(sources=["ease"]))


def test_frames_are_written(tmp_path: Path) -> None:
    front = FrontFound.of(KNOBS, AIMS, run(tmp_path, 6, World()))
    front.frame().write_parquet(tmp_path / "front.parquet")
    assert set(pl.read_parquet(tmp_path / "front.parquet").columns) >= {"trial", "front", "pick", "clicks", "churn"}
