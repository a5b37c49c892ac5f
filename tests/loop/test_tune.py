"""The search for settings: on validation users only, resumed to the same trials, ended early where hopeless."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.data.source import read
from recloop.errors import ConflictError, DataError, ExtraError, SettingError
from recloop.loop.folder import only_one
from recloop.loop.plan import Plan
from recloop.loop.space import Range, Values, declared_space, given_space
from recloop.loop.study import FILE, Study, Trial
from recloop.loop.toml import strategy_table, with_settings
from recloop.loop.tune import searched, tune
from recloop.loop.tuning import Tuning
from recloop.loop.validation import Validation
from recloop.metrics import parse_metrics
from recloop.strategies import available
from recloop.strategies.ease import Ease

pytest.importorskip("optuna")


def table(folder: Path) -> dict[str, Any]:
    return {
        "data": {"events": str(folder / "events.csv")},
        "split": {"test_fraction": 0.3},
        "strategies": {"use": ["ease", "transitions"], "ease": {"reg": 10.0}},
        "metrics": {"names": ["ndcg"], "k": [5]},
        "tune": {"ease": {"reg": {"low": 1, "high": 5000, "log": True}}},
    }


def search(shop: Path, *, metrics: tuple[str, ...] = ("ndcg@5",), name: str = "ease", **changes: Any) -> Tuning:
    plan = Plan.of(table(shop), shop)
    reading = read(plan.source)
    validation = Validation.of(plan, reading.dataset, parse_metrics(metrics))
    spaces = searched(plan, reading.dataset, [name])
    settings: dict[str, Any] = {"trials": 4, "folder": shop / "tune", "fingerprint": reading.dataset.fingerprint}
    return tune(plan, name, spaces[name], validation, **(settings | changes))


def seen(found: Tuning) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, dict(t.settings), dict(t.values), t.own) for t in found.trials]


class Told:
    """A progress that remembers what it was told, and may stop the search."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.notes: list[str] = []
        self.done, self.stop_after = 0.0, stop_after

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
        yield self._advance

    def _advance(self, amount: float) -> None:
        self.done += amount
        if self.stop_after is not None and self.done >= self.stop_after:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)

    def validated(self, value: float) -> None:
        raise AssertionError("a trial's rounds are not told outside")


def test_the_best_of_the_trials_is_found_and_the_plans_settings_come_first(shop: Path) -> None:
    told = Told()
    found = search(shop, trials=5, progress=told)
    assert [trial.number for trial in found.trials] == [1, 2, 3, 4, 5]
    assert found.trials[0].own
    assert found.trials[0].settings == {"reg": 10.0}
    assert found.own == found.trials[0]
    values = [trial.values["ndcg@5"] for trial in found.complete]
    assert found.best.values["ndcg@5"] == max(values)
    assert all(1 <= trial.settings["reg"] <= 5000 for trial in found.trials)
    assert all(float(f"{t.settings['reg']:.3g}") == t.settings["reg"] for t in found.trials), "three figures"
    assert told.done == 5
    assert told.notes[0] == f"best so far: ndcg@5 {values[0]:.4f} with reg = 10"
    assert found.sentence.startswith(f"ease: ndcg@5 {max(values):.4f} with reg = ")
    assert "[strategies.ease]\nreg = " in found.toml
    assert found.to_dict()["best"]["number"] == found.best.number


def test_the_values_are_those_of_an_evaluation_on_the_validation_split(shop: Path) -> None:
    from recloop.evaluate import evaluate

    plan = Plan.of(table(shop), shop)
    train = plan.splitter(read(plan.source).dataset).train
    validation = plan.splitter(train)
    judged = evaluate(validation, {"ease": Ease(reg=10.0).fit(validation.train)}, ["ndcg@5", "coverage@5"])
    found = search(shop, trials=1, metrics=("ndcg@5", "coverage@5"))
    assert found.trials[0].values == pytest.approx({m: judged.value("ease", m) for m in ("ndcg@5", "coverage@5")})


def test_the_test_events_are_not_looked_at(shop: Path) -> None:
    """Other test events, the same search: what is judged by lies inside the training events."""
    before = search(shop)
    events = pl.read_csv(shop / "events.csv").sort("time")
    cut = int(len(events) * 0.7)
    later = events[cut:]
    changed = later.with_columns(item=later["item"].shuffle(seed=1), user=later["user"].shuffle(seed=2))
    pl.concat([events[:cut], changed]).write_csv(shop / "events.csv")
    after = search(shop)
    assert before.folder != after.folder, "other data is another search"
    assert seen(before) == seen(after)
    assert "The test events of the plan were not looked at." in after.validation


def test_the_same_seed_gives_the_same_trials_and_a_done_search_is_not_made_again(shop: Path, tmp_path: Path) -> None:
    first = search(shop, trials=4)
    assert seen(search(shop, trials=4, folder=tmp_path / "elsewhere")) == seen(first)
    told = Told()
    again = search(shop, trials=4, progress=told)
    assert again.to_dict() == first.to_dict()
    assert told.notes == []
    assert told.done == 4
    longer = search(shop, trials=6)
    assert seen(longer)[:4] == seen(first)
    assert seen(longer) == seen(search(shop, trials=6, folder=tmp_path / "third"))


def test_ctrl_c_leaves_a_search_that_goes_on(shop: Path, tmp_path: Path) -> None:
    stopped = search(shop, trials=5, progress=Told(stop_after=3))
    assert stopped.stopped
    assert len(stopped.trials) == 3
    assert seen(search(shop, trials=5)) == seen(search(shop, trials=5, folder=tmp_path / "whole"))


def test_ctrl_c_inside_a_trial_tries_it_again(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = seen(search(shop, trials=4, folder=tmp_path / "whole"))
    fit, calls = Ease._fit, [0]

    def interrupted(self: Ease, *arguments: Any) -> None:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt
        fit(self, *arguments)

    monkeypatch.setattr(Ease, "_fit", interrupted)
    stopped = search(shop, trials=4)
    assert (stopped.stopped, seen(stopped)) == (True, whole[:2])
    assert seen(search(shop, trials=4)) == whole


KILLED = """
import time
from pathlib import Path
from recloop.app.tune import tune
from recloop.strategies.ease import Ease

fit, calls = Ease._fit, [0]

def slow(self, *arguments):
    calls[0] += 1
    if calls[0] == 3:
        print("third", flush=True)
        time.sleep(60)
    fit(self, *arguments)

Ease._fit = slow
tune(Path("plan.toml"), trials=5)
"""


def test_a_killed_search_goes_on_to_the_same_trials(shop: Path) -> None:
    from recloop.app.tune import tune as command

    plan = """
        data = {events = "events.csv"}
        split = {test_fraction = 0.3}
        [strategies]
        use = ["ease"]
        [metrics]
        names = ["ndcg"]
        k = [5]
        [tune.ease]
        reg = {low = 1, high = 5000, log = true}
    """
    (shop / "plan.toml").write_text(textwrap.dedent(plan))
    (shop / "killed.py").write_text(KILLED)
    process = subprocess.Popen([sys.executable, "killed.py"], cwd=shop, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "third\n"
    with pytest.raises(ConflictError, match=r"another search is at work in .*; wait until it is done, or stop it"):
        command(shop / "plan.toml", trials=5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (journal,) = shop.glob(f"tune/*/{FILE}")
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 6, "wor')  # and the machine stopped while it wrote
    Path(f"{journal}.lock").touch()
    start = time.monotonic()
    (resumed,) = command(shop / "plan.toml", trials=5).searches
    assert time.monotonic() - start < 20, "a lock that was left behind is not waited for"
    journal.rename(shop / "other.log")
    (whole,) = command(shop / "plan.toml", trials=5).searches
    assert seen(resumed) == seen(whole)
    assert {path.name for path in journal.parent.iterdir()} >= {"tune.json", "settings.toml", "tune.html"}


def test_a_kill_between_the_two_words_of_an_end_tries_the_trial_again(shop: Path, tmp_path: Path) -> None:
    whole = search(shop, trials=4, folder=tmp_path / "whole")
    search(shop, trials=3)
    (journal,) = shop.glob(f"tune/*/{FILE}")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))  # what came out of the third is said, and not that it ended
    assert seen(search(shop, trials=4)) == seen(whole)


def test_a_trial_that_is_clearly_behind_ends_early(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.loop.validation.USERS", 5)
    fit = Ease._fit
    first = []

    def worse(self: Ease, *arguments: Any) -> None:
        fit(self, *arguments)
        if first:
            self._weights = -self._weights
        first.append(self.reg)

    monkeypatch.setattr(Ease, "_fit", worse)
    found = search(shop, trials=3)
    assert [trial.state for trial in found.trials] == ["complete", "pruned", "pruned"]
    assert found.trials[1].reason.startswith("clearly behind the best after ")
    assert found.trials[1].values == {}
    assert found.best == found.own
    assert found.sentence.endswith("the plan's own settings. Nothing better was found.")


def test_a_training_below_the_median_ends_early(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, trained = Ease._fit, []

    def in_rounds(self: Ease, dataset: Any, progress: Any) -> None:
        fit(self, dataset, progress)
        trained.append(self.reg)
        for number in range(4):
            progress.validated(number - 10.0 * (len(trained) > 6))

    monkeypatch.setattr(Ease, "_fit", in_rounds)
    found = search(shop, trials=8)
    assert [trial.state for trial in found.trials] == ["complete"] * 6 + ["pruned"] * 2
    assert found.trials[6].reason == "below the median of earlier trials after round 2 of training"


def test_several_objectives_give_a_front(shop: Path) -> None:
    found = search(shop, trials=6, metrics=("ndcg@5", "coverage@5"))
    assert found.best == found.front[0]
    values = [(t.values["ndcg@5"], t.values["coverage@5"]) for t in found.front]
    assert values == sorted(values, key=lambda pair: (-pair[0], pair[1]))
    for other in found.complete:
        assert not any(other.values["ndcg@5"] > x and other.values["coverage@5"] >= y for x, y in values), (
            "nothing beats the front"
        )
    assert found.toml.count("[strategies.") == len(found.front)
    for trial in found.front[1:]:
        assert f'[strategies.ease-{trial.number}]\nstrategy = "ease"' in found.toml


def test_settings_that_cannot_be_trained_are_failed_trials(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = Ease._fit

    def picky(self: Ease, *arguments: Any) -> None:
        if self.reg > 10:
            raise DataError("too strong")
        fit(self, *arguments)

    monkeypatch.setattr(Ease, "_fit", picky)
    found = search(shop, trials=4)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed
    assert failed[0].reason == "too strong."
    monkeypatch.setattr(Ease, "_fit", lambda *_: (_ for _ in ()).throw(DataError("never")))
    with pytest.raises(DataError, match=r"none of the 3 trials of 'ease' could be trained\. The first, with reg = 10"):
        search(shop, trials=3, folder=shop / "none")


def test_a_missing_package_stops_the_search_at_once(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ease, "_fit", lambda *_: (_ for _ in ()).throw(ExtraError.of("ease", "lm")))
    with pytest.raises(ExtraError, match=r"pip install 'recloop\[lm\]'"):
        search(shop)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ExtraError) as caught:
        search(shop, folder=shop / "other")
    assert str(caught.value) == (
        "recloop tune needs the extra 'tune', which is not installed; pip install 'recloop[tune]'."
    )


def test_the_same_settings_are_not_computed_twice(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    plan = Plan.of(table(shop) | {"tune": {"transitions": {"window": [5, 6]}}}, shop)
    kind = available()["transitions"]
    fit = kind._fit
    monkeypatch.setattr(kind, "_fit", lambda self, *rest: (fitted.append(self.window), fit(self, *rest))[1])
    reading = read(plan.source)
    validation = Validation.of(plan, reading.dataset, parse_metrics(["ndcg@5"]))
    found = tune(
        plan, "transitions", plan.tune["transitions"], validation, fingerprint="x", folder=shop / "tune", trials=6
    )
    assert sorted(fitted) == [5, 6]
    assert [t.reason for t in found.trials].count("") == 2
    assert found.trials[-1].values == next(t for t in found.trials if t.settings == found.trials[-1].settings).values


def test_no_trial_begins_after_the_time(shop: Path) -> None:
    ticks = iter(np.arange(0.0, 100.0, 10.0))
    assert len(search(shop, trials=9, timeout=25, clock=lambda: next(ticks)).trials) == 2
    with pytest.raises(SettingError, match="no trial of 'ease' was finished; give it more time: --timeout 1h"):
        search(shop, trials=9, timeout=0, folder=shop / "none")


def test_jobs_share_the_trials(shop: Path) -> None:
    found = search(shop, trials=6, jobs=3)
    assert [trial.number for trial in found.trials] == [1, 2, 3, 4, 5, 6]
    assert all(trial.state != "failed" for trial in found.trials)
    stopped = search(shop, trials=6, jobs=2, folder=shop / "stopped", progress=Told(stop_after=2))
    assert stopped.stopped
    assert 2 <= len(stopped.trials) <= 4


def test_only_one_process_is_inside(tmp_path: Path) -> None:
    with (
        only_one(tmp_path / "a", "a search"),
        pytest.raises(ConflictError, match=r"a search is at work in .*/a; wait until it is done, or stop it\."),
        only_one(tmp_path / "a", "a search"),
    ):
        pytest.fail("two are inside")
    with only_one(tmp_path / "a", "a search"):
        pass


# ---- what is searched


def test_every_strategy_that_learns_declares_something() -> None:
    declared = {name: declared_space(kind) for name, kind in available().items()}
    assert {name for name, space in declared.items() if not space} <= {"random", "llm-rerank"}
    assert declared["ease"]["reg"] == Range(low=1.0, high=10_000.0, log=True)
    assert declared["content"]["history"] == Values(("mean", "recency"))


def test_which_strategies_are_searched(shop: Path) -> None:
    dataset = read(Plan.of(table(shop), shop).source).dataset
    plan = Plan.of(table(shop), shop)
    assert list(searched(plan, dataset, [])) == ["ease"], "those of [tune]"
    silent = replace_tune(plan, {})
    assert list(searched(silent, dataset, [])) == ["ease", "transitions"], "without the controls"
    assert list(searched(silent, dataset, ["popular-7d"])) == ["popular-7d"]
    with pytest.raises(SettingError, match=r"the plan has no strategy 'eese'\. Did you mean 'ease'\?"):
        searched(plan, dataset, ["eese"])
    with pytest.raises(SettingError, match=r"'random' declares nothing to search; .* \[tune.random\]"):
        searched(plan, dataset, ["random"])
    only = Plan.of({**table(shop), "strategies": {"use": []}, "tune": {}}, shop)
    with pytest.raises(SettingError, match="no strategy of the plan declares anything to search"):
        searched(only, dataset, [])


def replace_tune(plan: Plan, spaces: dict[str, Any]) -> Plan:
    import msgspec

    return msgspec.structs.replace(plan, tune=spaces)


WRONG = [
    ({"eese": {}}, "[tune] names 'eese', which is no strategy of the plan. Did you mean 'ease'?"),
    ({"ease": 3}, "[tune] ease is 3; it must be a table: [tune.ease]."),
    ({"ease": {}}, "[tune.ease] is empty; name a setting to search: Valid: "),
    ({"ease": {"rg": [1, 2]}}, "[tune.ease] strategy 'ease' has no setting 'rg'. Did you mean 'reg'?"),
    ({"ease": {"reg": 3}}, "[tune.ease] reg is 3; it must be a range or a list of values; reg = {low = 1"),
    ({"ease": {"reg": [5.0]}}, "[tune.ease] reg is [5.0]; a list to search has two or more distinct values."),
    ({"ease": {"reg": {"low": 5, "high": 1}}}, "[tune.ease] reg goes from 5 to 1; low must be below high."),
    ({"ease": {"reg": {"low": 0, "high": 1, "log": True}}}, "[tune.ease] reg starts at 0; a logarithmic range starts"),
    ({"ease": {"reg": {"lo": 0, "high": 1}}}, "[tune.ease.reg] has no setting 'lo'. Did you mean 'low'?"),
    ({"ease": {"reg": {"high": 1}}}, "[tune.ease.reg] needs the setting 'low'."),
    ({"ease": {"reg": {"low": "a", "high": 1}}}, "[tune.ease.reg] low is 'a'. It must be"),
    ({"ease": {"reg": {"low": -3, "high": 1}}}, "[tune.ease] strategy 'ease': reg is -3; it must be a number between"),
    (
        {"content": {"history": {"low": 1, "high": 2}}},
        "[tune.content] history of strategy 'content' is no number; give",
    ),
    ({"content": {"history": ["mean", "las"]}}, "[tune.content] strategy 'content': history is 'las'"),
    ({"ials": {"factors": {"low": 1.5, "high": 9}}}, "[tune.ials] strategy 'ials': factors is 1.5; it must be a whole"),
]


@pytest.mark.parametrize(("spaces", "sentence"), WRONG, ids=[sentence[:48] for _, sentence in WRONG])
def test_wrong_spaces(spaces: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        Plan.of({"data": {"events": "x"}, "tune": spaces})
    assert str(caught.value).startswith(sentence)


def test_the_space_belongs_to_the_plan_but_not_to_its_hash(shop: Path) -> None:
    plan = Plan.of(table(shop), shop)
    assert plan.to_dict()["tune"] == {"ease": {"reg": {"low": 1, "high": 5000, "log": True}}}
    assert Plan.of(plan.to_dict(), shop).tune == plan.tune
    assert plan.hash == replace_tune(plan, {}).hash


def test_own_settings_outside_the_space_are_not_tried(shop: Path) -> None:
    plan = Plan.of({**table(shop), "tune": {"ease": {"reg": {"low": 100, "high": 500}}}}, shop)
    reading = read(plan.source)
    validation = Validation.of(plan, reading.dataset, parse_metrics(["ndcg@5"]))
    found = tune(plan, "ease", plan.tune["ease"], validation, fingerprint="", folder=shop / "t", trials=2)
    assert found.own is None
    assert found.sentence.endswith("The plan's own settings lie outside what was searched.")


def test_an_end_of_the_range_is_said() -> None:
    assert given_space({"reg": {"low": 1, "high": 10}}, Ease, "tune.ease")["reg"].at_edge(9.9)  # type: ignore[union-attr]
    best = Trial(number=1, state="complete", settings={"reg": 9.9}, values={"ndcg@5": 0.5}, seconds=1)
    found = Tuning(
        name="ease", entry=None, given={}, folder=Path(), metrics=parse_metrics(["ndcg@5"]),  # type: ignore[arg-type]
        space={"reg": Range(low=1, high=10)}, trials=(best,), best=best, front=(best,), own=None, gain=None,
        influence={}, validation="",
    )  # fmt: skip
    assert found.edges.startswith("At an end of what was searched: reg = 9.9. A wider range in [tune.ease]")
    assert replace(found, best=replace(best, settings={"reg": 5.0})).edges == ""


# ---- whom it is judged by


def test_too_few_events_for_a_validation_split(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["a", "a"], "item": ["x", "y"], "time": [1, 2]}).write_csv(tmp_path / "events.csv")
    plan = Plan.of({"data": {"events": "events.csv"}, "split": {"name": "leave-last-out"}}, tmp_path)
    with pytest.raises(DataError) as caught:
        Validation.of(plan, read(plan.source).dataset, parse_metrics(["ndcg@1"]))
    assert str(caught.value).startswith("the 1 training events leave no validation split (the split 'leave-last-out'")
    assert "a search needs events to judge by that are not those of the test; take more data" in str(caught.value)


def test_metrics_that_cannot_judge(shop: Path) -> None:
    with pytest.raises(SettingError, match="strategy 'ease' has no rmse: it foretells no ratings; judge it by ndcg@10"):
        search(shop, metrics=("rmse",))
    plan = Plan.of(table(shop), shop)
    validation = Validation.of(plan, read(plan.source).dataset, parse_metrics(["rmse"]))
    with pytest.raises(SettingError, match="there is no rmse: the validation users have no held-out ratings"):
        validation.check(available()["item-knn"])


def test_ratings_and_diversity_are_judged(shop: Path) -> None:
    events = pl.read_csv(shop / "events.csv").unique(["user", "item"])
    events.with_columns(kind=pl.lit("rating"), value=1.0 + events["time"].hash() % 5).write_csv(shop / "events.csv")
    plan = Plan.of({**table(shop), "strategies": {"use": ["item-knn"]}, "tune": {}}, shop)
    reading = read(plan.source)
    validation = Validation.of(plan, reading.dataset, parse_metrics(["rmse", "diversity@5"]))
    space = declared_space(available()["item-knn"])
    found = tune(plan, "item-knn", space, validation, fingerprint="", folder=shop / "t", trials=3)
    assert all(0 < t.values["rmse"] < 4 and 0 <= t.values["diversity@5"] <= 2 for t in found.complete)
    assert found.best.values["rmse"] == min(t.values["rmse"] for t in found.complete), "lower is better"


def test_blocks_judge_as_a_whole(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.loop.validation.USERS", 5)
    plan = Plan.of(table(shop), shop)
    validation = Validation.of(plan, read(plan.source).dataset, parse_metrics(["ndcg@5"]))
    assert validation.blocks == 10
    strategy = Ease().fit(validation.split.train)
    parts: list[Any] = []
    values, users = validation.judge(strategy, parts.append)
    assert values == validation.judge(strategy)[0]
    assert len(parts) == 9
    np.testing.assert_array_equal(parts[-1], users[: len(parts[-1])])


# ---- what is written


PLAN = """\
# a plan
[data]
events = "events.csv"

[strategies.ease]
reg = 500.0  # ridge penalty
max_gb = 2.0

[strategies."popular.short"]
strategy = "popular"
window = 3.0
"""


def test_settings_are_written_into_the_text_of_a_plan() -> None:
    assert with_settings(PLAN, "ease", "ease", {"reg": 12.5}) == PLAN.replace("500.0", "12.5")
    added = with_settings(PLAN, "ease", "ease", {"reg": 12.5, "max_gb": 8.0})
    assert "reg = 12.5  # ridge penalty\nmax_gb = 8.0\n\n[strategies." in added
    changed = with_settings(PLAN, "popular.short", "popular", {"window": None, "half_life": 3.0})
    assert '[strategies."popular.short"]\nstrategy = "popular"\nhalf_life = 3.0\n' in changed
    new = with_settings(PLAN, "ials-2", "ials", {"factors": 12})
    assert new == PLAN + '\n[strategies.ials-2]\nstrategy = "ials"\nfactors = 12\n'


@pytest.mark.parametrize(
    "text", ["[strategies]\nease = {reg = 5.0}\n", "strategies.ease.reg = 5.0\n", "[strategies]\nease.reg = 5.0\n"]
)
def test_a_plan_that_cannot_be_changed_line_by_line_is_left_alone(text: str) -> None:
    with pytest.raises(ConflictError, match=r"in a way that cannot be changed line by line; give them a table \[strat"):
        with_settings(text, "ease", "ease", {"reg": 9.0})


def test_a_table_of_settings() -> None:
    settings = {"history": 'a "b"', "window": None, "whole": 3, "on": True}
    assert strategy_table("a b", "content", settings, "found") == (
        '# found\n[strategies."a b"]\nstrategy = "content"\nhistory = "a \\"b\\""\nwhole = 3\non = true\n'
    )


def test_a_damaged_journal_is_said(tmp_path: Path) -> None:
    from recloop.errors import ArtifactError

    (tmp_path / FILE).write_text("no journal\n" * 3)
    with pytest.raises(ArtifactError, match=r"study\.log holds no readable search .*; remove it, and search again"):
        Study(tmp_path, Ease, declared_space(Ease), 1, 0)
