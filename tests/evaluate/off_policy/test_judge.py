"""The gate refuses where the log cannot tell, names why, and lets through what it can."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import softmax

from recloop.app.off_policy import judge_file
from recloop.evaluate.off_policy import (
    Gate,
    Judged,
    Knowledge,
    Logged,
    Target,
    cross_fitted,
    estimates,
    judge_policies,
    propensity_calibration,
)
from recloop.evaluate.off_policy.words import sentences, verdict
from recloop.report.off_policy import off_policy_page, off_policy_picture


def world(seed: int, n: int = 6000, actions: int = 5, *, rate: float = 0.1) -> tuple[Logged, np.ndarray, np.ndarray]:
    """A log by a softmax policy, chances of a sharper one, and the means that both earn."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    taste = np.random.default_rng(7).normal(size=(3, actions))
    means = rate * (1 + np.tanh(x @ taste))
    behaviour = softmax(0.3 * x @ taste, axis=1)
    done = (rng.random(n)[:, None] > behaviour.cumsum(axis=1)).sum(axis=1).clip(0, actions - 1)
    names = [f"a{n}" for n in range(actions)]
    log = Logged.of(
        np.array(names)[done], (rng.random(n) < means[np.arange(n), done]) * 1.0, behaviour[np.arange(n), done],
        names=names, behaviour=behaviour, features=x,
    )  # fmt: skip
    return log, softmax(2 * x @ taste, axis=1), means


def test_an_action_that_only_some_rounds_could_have_speaks_not_against_propensities() -> None:
    """One action is pinned in half of the rounds, and has no chance in the others."""
    rng = np.random.default_rng(3)
    done = np.where(np.arange(2000) % 2, 2, (rng.random(2000) < 0.3) * 1)
    right = propensity_calibration(done, np.where(done == 2, 1.0, np.where(done == 1, 0.3, 0.7)), 3)
    assert right.p_value == 1.0
    wrong = propensity_calibration(done, np.where(done == 2, 1.0, np.where(done == 1, 0.1, 0.9)), 3)
    assert (wrong.action, wrong.ratio > 1.3, wrong.p_value < 1e-6) == (1, True, True)


def test_a_better_policy_is_found_and_ranked() -> None:
    log, sharp, means = world(1)
    targets = [
        Target.of("even", log, np.full(5, 0.2)),
        Target.of("sharp", log, sharp),
        Target.of("worst", log, sharp[:, ::-1]),
    ]
    found = judge_policies(log, targets, rng=np.random.default_rng(1))
    best = found.policies[0]
    assert (best.policy, best.estimator, verdict(best, 0.05)) == ("sharp", "sndr", "better")
    assert best.low < (sharp * means).sum(axis=1).mean() < best.high
    assert best.concludes
    assert [one.estimator for one in best.all] == [
        "ips",
        "snips",
        "clipped",
        "direct",
        "dr",
        "sndr",
        "switch",
        "switch-dr",
        "dros",
    ]
    assert best.anytime is not None
    assert best.anytime[0] < best.low < best.high < best.anytime[1]
    assert all(one.p_best < 1e-6 for one in found.policies[1:])
    assert found.calibration.p_value > 0.01
    said = sentences(found)
    assert said[0].startswith("sharp would have earned 0.1")
    assert "more than what was logged" in said[0]
    assert "less than sharp" in said[1]


def test_what_nobody_logged_is_refused_with_what_would_help() -> None:
    rng = np.random.default_rng(2)
    log = Logged.of(
        rng.choice(["a", "b"], 3000), (rng.random(3000) < 0.2) * 1.0, np.full(3000, 0.5), names=["a", "b", "c"]
    )
    found = judge_policies(log, [Target.of("new", log, [0.2, 0.2, 0.6]), Target.of("only c", log, [0, 0, 1])], rng=rng)
    new, only = found.policies
    assert not new.concludes
    assert new.missing == pytest.approx(0.6)
    (first, second) = [one for one in new.objections if one.refuses]
    assert first.said == "60.0% of what the policy does was never tried in the log (most of all 'c')"
    assert first.help.startswith("log with some exploration of these actions")
    assert second.kind == "mean"
    assert (only.policy, only.concludes, only.all) == ("only c", False, ())
    assert np.isnan(only.value)
    said = sentences(found)
    assert said[0] == "Nothing can be concluded about any of these policies from this log."
    page = off_policy_page(found, 0.0)
    assert "refused" in page
    assert "most of all &#39;c&#39;" in page


def refusals(one: Judged) -> list[str]:
    return [objection.kind for objection in one.objections if objection.refuses]


def test_each_thing_that_speaks_against_it_is_seen() -> None:
    rng = np.random.default_rng(3)
    n = 4000

    def judged(propensity: np.ndarray, done: np.ndarray, chances: np.ndarray, rate: float = 0.3) -> Judged:
        log = Logged.of(np.where(done, "b", "a"), (rng.random(n) < rate) * 1.0, propensity)
        return judge_policies(log, [Target("t", chances)], rng=rng).policies[0]

    done = rng.random(n) < 0.3
    right = np.where(done, 0.3, 0.7)
    assert refusals(judged(right, done, np.full(n, 0.5))) == []
    assert refusals(judged(right, done, np.full(n, 0.5), rate=0.003)) == ["rewards"]
    assert "propensities" in refusals(judged(np.where(done, 0.45, 0.55), done, np.where(done, 0.45, 0.55)))
    assert refusals(judged(right, done, np.full(n, 0.2))) == ["mean"]
    rare = rng.random(n) < 0.002
    rarely = judged(np.where(rare, 0.002, 0.998), rare, np.where(rare, 0.9, 0.1))
    assert {"effective", "rewards"} <= set(refusals(rarely))
    heavy = (1 - rng.random(n)) ** 1.3
    assert any(one.kind == "tail" for one in judged(np.maximum(heavy, 1e-4), done, np.full(n, 1e-3)).objections)


def test_the_gate_may_be_moved_and_a_biased_estimator_says_so() -> None:
    log, sharp, _ = world(4, n=120)
    target = Target.of("sharp", log, sharp)
    strict = judge_policies(log, [target], rng=np.random.default_rng(1)).policies[0]
    assert "rewards" in refusals(strict)
    loose = judge_policies(
        log, [target], rng=np.random.default_rng(1), gate=Gate(rewards=1, effective=10), estimator="dros"
    )
    assert loose.policies[0].concludes
    assert [one.kind for one in loose.policies[0].objections] == ["bias"]
    auto = judge_policies(log, [target], rng=np.random.default_rng(1), estimator="auto").policies[0]
    assert auto.estimator in {one.estimator for one in auto.all}


def test_item_vectors_lend_support() -> None:
    rng = np.random.default_rng(5)
    kinds, n = np.repeat(np.arange(4), 25), 3000
    vectors = np.eye(4)[kinds] + rng.normal(scale=0.05, size=(100, 4))
    done = rng.integers(0, 100, n)
    rewards = (rng.random(n) < 0.1 + 0.2 * kinds[done]) * 1.0
    chances = np.zeros(100)
    chances[80] = 1.0  # one item of the best kind: logged thirty times
    names = [f"i{n:02d}" for n in range(100)]
    log = Logged.of(np.array(names)[done], rewards, np.full(n, 0.01), names=names, behaviour=np.full((n, 100), 0.01))
    one = judge_policies(log, [Target.of("one", log, chances)], rng=rng, item_vectors=vectors).policies[0]
    found = {entry.estimator: entry for entry in one.all}
    assert found["mips"].value == pytest.approx(0.7, abs=0.07)
    assert found["mips"].error < 0.4 * found["snips"].error


def test_intervals_cover_and_self_normalised_ones_err_least() -> None:
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(150):
        log, sharp, _ = world(100 + seed, n=800)
        model = cross_fitted(log.actions, log.rewards, 5, np.random.default_rng(seed), features=log.features)
        for name, terms in estimates(log, Target.of("t", log, sharp), Knowledge(model)).items():
            found.setdefault(name, []).append((terms.value, *terms.interval()[:2]))
    truth = np.mean([(sharp * means).sum(axis=1).mean() for _, sharp, means in (world(n, n=4000) for n in range(20))])
    table = {name: np.array(rows) for name, rows in found.items()}
    error = {name: np.sqrt(np.mean((rows[:, 0] - truth) ** 2)) for name, rows in table.items()}
    for name in ("ips", "snips", "dr", "sndr"):
        rows = table[name]
        assert abs(rows[:, 0].mean() - truth) < 3.5 * rows[:, 0].std() / np.sqrt(150), name
        assert 0.89 <= np.mean((rows[:, 1] <= truth) & (truth <= rows[:, 2])) <= 0.99, name
    assert error["sndr"] <= 1.03 * error["snips"] <= 1.06 * error["ips"]
    assert np.mean((table["direct"][:, 1] <= truth) & (truth <= table["direct"][:, 2])) < 0.5  # too sure of itself


@pytest.mark.data
def test_the_open_bandit_logs_say_too_little(data_dir: Path) -> None:
    random, bts = (data_dir / "obd" / name / "men" for name in ("random", "bts"))
    (there,) = judge_file(random, (f"bts={bts}",)).policies
    (back,) = judge_file(bts, ("uniform",)).policies
    for one in (there, back):
        assert refusals(one) == ["rewards"]
    assert (round(there.rewards), round(back.rewards)) == (16, 2)
    assert there.low < 0.0067 < there.high  # the click rates of the full logs
    assert back.low < 0.0051 < back.high
    assert (back.weights.effective, back.value) == (pytest.approx(656, abs=1), pytest.approx(0.0032, abs=1e-4))


def test_a_file_is_read_judged_and_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    done = rng.random(2000) < 0.5
    table = pl.DataFrame(
        {
            "action": np.where(done, "<b>", "a"),
            "reward": (rng.random(2000) < 0.1 + 0.2 * done) * 1.0,
            "propensity": np.full(2000, 0.5),
            "user": [f"u{n // 2}" for n in range(2000)],
            "target_<i>new</i>": np.where(done, 0.9, 0.1),
        }
    )
    table.write_csv(tmp_path / "log.csv")
    found = judge_file(tmp_path / "log.csv")
    assert (found.rounds, found.users) == (2000, 1000)
    assert found.policies[0].anytime is None  # users return
    page, picture = off_policy_page(found, 0.0), off_policy_picture(found)
    assert "&lt;i&gt;new" in page
    assert "<i>new" not in page + picture
    json.dumps(sentences(found))
