"""The laws that every bandit obeys, whatever it does with what it learned."""

import copy
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.bandits import Algorithm, Bandit, BetaThompson, LinUCB, Outcomes, State
from recloop.bandits.posterior import Posterior
from recloop.errors import ArtifactError, SettingError

from .conftest import ARMS, EVERY, Learned, some

SEEN = np.random.default_rng(5).normal(size=(6, 3))


def alike(one: State, other: State) -> None:
    assert one.arms == other.arms
    for name, value in {**one.per_arm, **one.common}.items():
        np.testing.assert_allclose(np.asarray(value), np.asarray({**other.per_arm, **other.common}[name]), atol=1e-9)


def test_propensities_are_probabilities(learned: Learned) -> None:
    share = learned.bandit.propensities(learned.state, SEEN)
    assert share.shape == (6, 4)
    assert (share >= 0).all()
    np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-9)
    if learned.bandit.floor:
        assert share.min() >= learned.bandit.floor


def test_choices_have_their_propensities(learned: Learned) -> None:
    bandit, n = learned.bandit, 8000
    row = SEEN[:1]
    share = bandit.propensities(learned.state, row)[0]
    chosen = bandit.choose(learned.state, np.repeat(row, n, axis=0), np.random.default_rng(2))
    frequency = np.bincount(chosen, minlength=4) / n
    assert (np.abs(frequency - share) <= 4.5 * np.sqrt(share * (1 - share) / n) + 1e-6).all()


def test_many_are_one_repeated(learned: Learned) -> None:
    bandit, outcomes = learned.bandit, learned.outcomes
    if bandit.name == "logistic":
        pytest.skip("a batch is fitted as a whole: nearer to the truth than one after the other")
    state = bandit.initial(ARMS, features=3 * bandit.contextual)
    for place in range(len(outcomes)):
        row = slice(place, place + 1)
        seen = None if outcomes.features is None else outcomes.features[row]
        state = bandit.update(
            state, Outcomes(outcomes.arms[row], outcomes.rewards[row], seen, outcomes.propensities[row])
        )
    alike(state, learned.state)
    np.testing.assert_allclose(bandit.propensities(state, SEEN), bandit.propensities(learned.state, SEEN), atol=1e-7)


def test_the_order_does_not_matter_where_nothing_is_forgotten(learned: Learned) -> None:
    bandit, outcomes = learned.bandit, learned.outcomes
    forgets = getattr(bandit, "discount", 1) < 1 or getattr(bandit, "window", 0)
    if forgets or bandit.name in {"lin-ucb", "lin-ts", "logistic", "watched"}:
        pytest.skip("it learns from the order, or learns its ridge at moments that count outcomes")
    seen = None if outcomes.features is None else outcomes.features[::-1]
    back = Outcomes(outcomes.arms[::-1], outcomes.rewards[::-1], seen, outcomes.propensities[::-1])
    alike(bandit.update(bandit.initial(ARMS, features=3 * bandit.contextual), back), learned.state)


def test_late_outcomes_count_as_if_they_had_come_in_order(learned: Learned) -> None:
    bandit, outcomes = learned.bandit, learned.outcomes
    if bandit.name in {"lin-ucb", "lin-ts", "logistic"} and getattr(bandit, "discount", 1) == 1:
        pytest.skip("it learns its ridge, or its curve, at moments that count outcomes")
    n = len(outcomes)
    rows = np.random.default_rng(8).permutation(n)
    state = bandit.initial(ARMS, features=3 * bandit.contextual)
    for part in np.split(rows, 6):
        late = outcomes.take(part)
        state = bandit.update(
            state, Outcomes(late.arms, late.rewards, late.features, late.propensities, order=np.arange(n)[part])
        )
    alike(state, learned.state)


def test_the_order_of_outcomes_is_checked() -> None:
    bandit = BetaThompson(discount=0.9)
    for order in (np.array([1]), np.array([-1, 2]), np.array([np.nan, 1])):
        with pytest.raises(SettingError, match=r"the order of outcomes does not fit; 2 numbers of decisions, from 0\."):
            bandit.update(bandit.initial(ARMS), Outcomes(["a", "b"], [1.0, 0.0], order=order))


def test_the_old_state_is_untouched(learned: Learned) -> None:
    before = copy.deepcopy(learned.state.to_dict())
    share = learned.bandit.propensities(learned.state, SEEN).copy()
    learned.bandit.update(learned.state, some(learned.bandit, 1, seed=3))
    learned.bandit.update(learned.state, some(learned.bandit, 30, seed=4))
    assert learned.state.to_dict() == before
    np.testing.assert_array_equal(learned.bandit.propensities(learned.state, SEEN), share)


def test_a_state_survives_json_and_npz(learned: Learned, tmp_path: Path) -> None:
    told = State.of(json.loads(json.dumps(learned.state.to_dict(), allow_nan=False)))
    learned.state.save(tmp_path / "state.npz")
    kept = State.load(tmp_path / "state.npz")
    assert told == kept == learned.state
    more = some(learned.bandit, 20, seed=6)
    expected = learned.bandit.update(learned.state, more)
    for state in (told, kept):
        np.testing.assert_allclose(
            learned.bandit.propensities(state, SEEN), learned.bandit.propensities(learned.state, SEEN), atol=1e-9
        )
        alike(learned.bandit.update(state, more), expected)


def test_arms_come_and_go(learned: Learned) -> None:
    bandit = learned.bandit
    state = bandit.offer(learned.state, ["new", "b"])
    assert bandit.propensities(state, SEEN).shape == (6, 2)
    assert set(bandit.choose(state, SEEN, np.random.default_rng(0)).tolist()) <= {1, 4}
    late = some(bandit, 1, seed=9)
    after = bandit.update(state, Outcomes(["a"], late.rewards, late.features, late.propensities))
    assert after.to_dict()["per_arm"] != state.to_dict()["per_arm"]
    back = bandit.offer(after, ARMS)
    assert back.arms == (*ARMS, "new")
    assert bandit.propensities(back, SEEN).shape == (6, 4)


def test_settings_are_read_from_tables(learned: Learned) -> None:
    table = msgspec.to_builtins(learned.bandit)
    assert msgspec.convert(table, Algorithm) == learned.bandit


@pytest.mark.parametrize("bandit", EVERY, ids=lambda bandit: repr(bandit)[:60])
def test_before_the_first_outcome_arms_are_alike(bandit: Bandit) -> None:
    state = bandit.initial(ARMS, features=3 * bandit.contextual)
    np.testing.assert_allclose(bandit.propensities(state, SEEN), 0.25, atol=1e-6)


@settings(deadline=None)  # the first quadrature imports and caches
@given(
    counts=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), min_size=1, max_size=6),
    place=st.integers(0, 6),
)
def test_propensities_whatever_was_counted(counts: list[tuple[int, float]], place: int) -> None:
    bandit = [one for one in EVERY if one.rates and not one.contextual and one.name not in {"exp3", "watched"}][
        place % 5
    ]
    pulls = np.array([float(n) for n, _ in counts])
    total = pulls * [rate for _, rate in counts]
    arms = tuple(str(number) for number in range(len(counts)))
    fresh = bandit.initial(arms)
    state = State(bandit.name, arms, fresh.offered, {"pulls": pulls, "total": total, "squares": total}, fresh.common)
    share = bandit.propensities(state)
    assert np.isfinite(share).all()
    assert (share >= 0).all()
    assert share.sum() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "outcomes", "sentence"),
    [
        ("beta", Outcomes(["a"], [1.5]), "a reward is 1.5; rewards are numbers between 0 and 1."),
        ("gaussian", Outcomes(["a"], [np.nan]), "a reward is nan; rewards are finite numbers."),
        ("beta", Outcomes(["a", "b"], [1.0]), "2 arms came with 1 rewards; one each."),
        ("beta", Outcomes(np.array([7]), [1.0]), "an outcome is of arm number 7; 0 to 3."),
        ("exp3", Outcomes(["a"], [1.0]), "the bandit 'exp3' learns from the chance that each arm had; give Outcomes.propensities."),
        ("exp3", Outcomes(["a"], [1.0], None, np.zeros(1)),
         "propensities of outcomes do not fit; 1 numbers above 0 and at most 1."),
        ("lin-ts", Outcomes(["a"], [1.0]), "the bandit 'lin-ts' needs features; (n, 3) numbers."),
        ("lin-ts", Outcomes(["a"], [1.0], np.ones((1, 2))), "features have the shape (1, 2); (1, 3)."),
        ("lin-ts", Outcomes(["a"], [1.0], np.array([[1, np.inf, 0]])),
         "a feature is not a finite number; give 0 and a flag for what is unknown."),
    ],
)  # fmt: skip
def test_wrong_outcomes(name: str, outcomes: Outcomes, sentence: str) -> None:
    bandit = next(one for one in EVERY if one.name == name)
    with pytest.raises(SettingError) as caught:
        bandit.update(bandit.initial(ARMS, features=3 * bandit.contextual), outcomes)
    assert str(caught.value) == sentence


def test_wrong_states_and_arms(tmp_path: Path) -> None:
    beta, ucb = (next(one for one in EVERY if one.name == name) for name in ("beta", "ucb1"))
    with pytest.raises(SettingError, match="the state is of the bandit 'ucb1', and 'beta' is to read it"):
        beta.propensities(ucb.initial(ARMS))
    with pytest.raises(SettingError, match=r"has the format 3; format 2 is wanted \(or 1, of Beta counts\)"):
        State.of({"format": 3})
    with pytest.raises(SettingError, match="cannot be read"):
        State.of({"format": 2, "bandit": "beta"})
    (tmp_path / "no.npz").write_bytes(b"no")
    with pytest.raises(ArtifactError, match="is no state of a bandit"):
        State.load(tmp_path / "no.npz")
    with pytest.raises(SettingError, match="the arm 'a' is named twice"):
        beta.initial(["a", "a"])
    with pytest.raises(SettingError, match="has no arm"):
        beta.initial([])
    with pytest.raises(SettingError, match="learns from features, and there are 0"):
        next(one for one in EVERY if one.name == "lin-ts").initial(ARMS)
    with pytest.raises(SettingError, match=r"the arms offered are \['a', 'a'\]"):
        beta.offer(beta.initial(ARMS), ["a", "a"])


def test_the_state_of_an_earlier_recloop_is_read() -> None:
    state = State.of({"format": 1, "arms": {"a": [3.0, 1.0], "b": [0.0, 2.0]}})
    beta = next(one for one in EVERY if one.name == "beta" and getattr(one, "prior", "") == "fixed")
    assert (
        beta.update(state, Outcomes(["b"], [1.0])).to_dict()["per_arm"]["total"] != state.to_dict()["per_arm"]["total"]
    )
    assert (state.array("total").tolist(), state.array("pulls").tolist()) == ([3.0, 0.0], [4.0, 2.0])


def test_a_state_whose_beliefs_were_taken_over_stays_what_it_was() -> None:
    """An update moves them in place: the old state makes its own anew, for as many branches as are wanted."""
    bandit = LinUCB(ridge=1.0)
    state = bandit.update(bandit.initial(ARMS, features=3), some(bandit, 60))
    seen = np.random.default_rng(1).normal(size=(5, 3))
    before, stored = bandit.bounds(state, seen), State.of(state.to_dict())
    one, other = (Outcomes(np.array([2]), np.array([reward]), seen[:1]) for reward in (1.0, -4.0))
    after = [bandit.update(state, came) for came in (one, other, one)]
    assert state == stored
    np.testing.assert_allclose(bandit.bounds(state, seen), before, rtol=1e-9)
    for new in after:
        np.testing.assert_allclose(bandit.bounds(new, seen), bandit.bounds(State.of(new.to_dict()), seen), rtol=1e-9)


def test_who_reads_beliefs_while_they_are_moved_sees_the_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    bandit = LinUCB(ridge=1.0)
    state = bandit.update(bandit.initial(ARMS, features=3), some(bandit, 60))
    seen = np.random.default_rng(1).normal(size=(5, 3))
    before, plain = bandit.bounds(state, seen), Posterior.beliefs

    def interrupted(self: Posterior, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        monkeypatch.setattr(Posterior, "beliefs", plain)
        bandit.update(state, Outcomes(np.array([0]), np.array([9.0]), seen[:1]))  # another thread
        return plain(self, features)

    monkeypatch.setattr(Posterior, "beliefs", interrupted)
    np.testing.assert_allclose(bandit.bounds(state, seen), before, rtol=1e-9)
