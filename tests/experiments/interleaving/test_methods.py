"""The laws of interleaving, exactly: every fall of the coins and every set of clicks of small slates."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.errors import SettingError
from recloop.experiments.interleaving.balanced import balanced
from recloop.experiments.interleaving.methods import METHODS, ONLY_TWO
from recloop.experiments.interleaving.optimised import allowed, design, optimised
from recloop.experiments.interleaving.pairwise import pair_credits, pairwise
from recloop.experiments.interleaving.probabilistic import probabilistic
from recloop.experiments.interleaving.slate import agreement
from recloop.experiments.interleaving.team_draft import propensity, team_draft

from .coins import every_way

PREFIX = ["team-draft", "balanced", "optimised"]  # their slates take the best of some ranking at each place


@st.composite
def rankings(draw, most: int = 3):
    m = draw(st.integers(2, most))
    n = draw(st.integers(1, 5))
    return [draw(st.permutations(range(n)))[: draw(st.integers(1, n))] for _ in range(m)]


def outcomes(name: str, given_: list[list[int]], k: int):
    return list(every_way(lambda coins: METHODS[name](given_, k, coins)))


def expected(ways, examine) -> np.ndarray:
    """What each ranking earns on average, where ``examine(place)`` is the probability of a click there."""
    total = 0.0
    for chance, made in ways:
        for pattern in product((0, 1), repeat=len(made.items)):
            odds = np.prod([examine[i] if hit else 1 - examine[i] for i, hit in enumerate(pattern)])
            total = total + chance * odds * made.score([i for i, hit in enumerate(pattern) if hit])
    return total


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_clicks_that_do_not_look_favour_nobody(name: str, data) -> None:
    given_ = data.draw(rankings(2 if name in ONLY_TWO else 3))
    k = data.draw(st.integers(1, 3))
    examine = data.draw(st.lists(st.floats(0, 1), min_size=k, max_size=k))
    ways = outcomes(name, given_, k)
    assert sum(chance for chance, _ in ways) == pytest.approx(1)
    np.testing.assert_allclose(expected(ways, examine), 0, atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_slates_are_whole(name: str, data) -> None:
    given_ = data.draw(rankings(2 if name in ONLY_TWO else 3))
    k = data.draw(st.integers(1, 6))
    everything = {item for ranking in given_ for item in ranking}
    made = METHODS[name](given_, k, np.random.default_rng(data.draw(st.integers(0, 99))))
    assert len(set(made.items)) == len(made.items)
    assert set(made.items) <= everything
    reachable = everything if name == "probabilistic" else {i for ranking in given_ for i in ranking[:k]}
    assert len(made.items) == min(k, len(everything)) or (name == "pairwise" and len(made.items) <= len(reachable))
    np.testing.assert_allclose(made.credits.sum(axis=-1), 0, atol=1e-12)
    assert len(made.teams) == len(made.items)
    for item, team in zip(made.items, made.teams, strict=True):
        assert team == -1 or item in given_[team]
    if name in PREFIX:
        for place, item in enumerate(made.items):
            left = [[one for one in ranking if one not in made.items[:place]] for ranking in given_]
            assert item in [ranking[0] for ranking in left if ranking]


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_propensity_is_the_probability_of_the_slate(name: str, data) -> None:
    given_ = data.draw(rankings(2 if name in ONLY_TWO else 3))
    ways = outcomes(name, given_, data.draw(st.integers(1, 3)))
    counted, told = defaultdict(float), {}
    for chance, made in ways:
        counted[made.items] += chance
        told[made.items] = made.propensity
    for items, chance in counted.items():
        assert told[items] == pytest.approx(chance)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_all_agree_on_earns_nothing(name: str, data) -> None:
    given_ = data.draw(rankings(2 if name in ONLY_TWO else 3))
    head = [f"h{i}" for i in range(data.draw(st.integers(0, 3)))]
    given_ = [head + list(ranking) for ranking in given_]
    made = METHODS[name](given_, len(head) + 2, np.random.default_rng(0))
    agreed = agreement(given_)
    assert agreed >= len(head)
    if name != "probabilistic":  # which may show them anywhere, or not at all
        assert list(made.items[: len(head)]) == head
    assert not made.credits[:agreed].any() or name == "probabilistic"
    same = METHODS[name]([given_[0]] * 2, 4, np.random.default_rng(0))
    np.testing.assert_allclose(same.credits, 0, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_who_is_named_first_does_not_matter(name: str) -> None:
    given_ = [list("abcd"), list("bdca")]

    def table(given__):
        found = defaultdict(float)
        for chance, made in outcomes(name, given__, 3):
            found[made.items] = found[made.items] + chance * made.credits
        return found

    one, two = table(given_), table(given_[::-1])
    assert set(one) == set(two)
    for items in one:
        np.testing.assert_allclose(one[items], two[items][..., ::-1], atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("k", [2, 3])
def test_the_better_ranking_wins(name: str, k: int) -> None:
    """Fidelity: users click relevant items only, and one ranking has each of them higher."""
    better, worse, relevant = list("abcdef"), list("cdefab"), set("ab")
    total = 0.0
    for chance, made in outcomes(name, [better, worse], k):
        total = total + chance * made.score([i for i, item in enumerate(made.items) if item in relevant])
    assert total[0] > 0.05 > total[1]


# ---- team-draft


def test_team_draft_by_hand() -> None:
    """(a, b) against (b, a): each coin gives one slate, and each place is won by whoever wants it."""
    ways = {made.items: (chance, made.teams) for chance, made in outcomes("team-draft", ["ab", "ba"], 2)}
    assert ways == {("a", "b"): (0.5, (0, 1)), ("b", "a"): (0.5, (1, 0))}


def test_propensity_counts_every_way_to_the_same_slate() -> None:
    """The slate (a, b, c) of (a, b, c) and (a, c, b): 'a' is certain; then b comes before c in half of all rounds."""
    assert propensity("abc", ["abc", "acb"]) == pytest.approx(0.5)
    assert propensity("acb", ["abc", "acb"]) == pytest.approx(0.5)
    assert propensity("bac", ["abc", "acb"]) == 0


def test_multileaving_gives_each_team_a_place_in_each_round() -> None:
    made = team_draft(["abcdef", "ghijkl", "mnopqr"], 6, np.random.default_rng(3))
    assert sorted(made.teams[:3]) == sorted(made.teams[3:]) == [0, 1, 2]


# ---- balanced


def test_balanced_makes_the_published_slates_and_takes_off_their_bias() -> None:
    """The known case of bias: two of the three items speak for the second ranking (Hofmann et al. 2011, section 2)."""
    ways = {made.items: made for _, made in outcomes("balanced", ["abc", "bca"], 3)}
    assert set(ways) == {tuple("abc"), tuple("bac")}
    assert ways[tuple("abc")].credits[:, 0].tolist() == [0.5, -0.5, 0.0]
    assert ways[tuple("bac")].credits[:, 0].tolist() == [-0.5, 0.5, 0.0]
    long = balanced(["abcdefgh", "dbaxyzuv"], 8, np.random.default_rng(0)).items
    assert long in {tuple("adbcxeyf"), tuple("dabcxyez")}


# ---- probabilistic


def test_probabilistic_shows_what_an_independent_implementation_shows() -> None:
    """mpkato/interleaving: test_softmax and test_interaction of tests/test_probabilistic_interleave.py (first place),
    and the weights of test_score_interleave of tests/test_probabilistic.py (credit of the second).
    """

    def first(given_):
        counted = defaultdict(float)
        for chance, made in outcomes("probabilistic", given_, 1):
            counted[made.items[0]] += chance
        return dict(counted)

    assert first([[0, 1, 2], [0, 1, 2]]) == pytest.approx({0: 0.86056, 1: 0.10757, 2: 0.03187}, abs=1e-5)
    assert first([[0, 1], [1, 2]]) == pytest.approx({0: 0.44444, 1: 0.50000, 2: 0.05556}, abs=1e-5)
    (made,) = {m.items: m for _, m in outcomes("probabilistic", [[1, 2], [2, 3]], 2) if m.items == (1, 2)}.values()
    second = 1 / (1 + 1 / 1.125)  # 2 is all that the first has left, and 8/9 of the other
    np.testing.assert_allclose(made.credits[:, 0] + 0.5, [1, second])


def test_marginalised_credit_is_the_mean_over_the_teams_that_could_have_made_the_slate() -> None:
    given_ = ["abc", "bca"]
    by_team, told = defaultdict(lambda: np.zeros(3)), {}
    for chance, made in outcomes("probabilistic", given_, 3):
        own = np.where(np.array(made.teams) == 0, 0.5, -0.5)
        by_team[made.items] += chance * own
        told[made.items] = made
    for items, credit in by_team.items():
        np.testing.assert_allclose(credit / told[items].propensity, told[items].credits[:, 0], atol=1e-12)


def test_a_steeper_decay_shows_the_tops() -> None:
    tops = [
        sum(
            chance
            for chance, made in every_way(lambda c, d=d: probabilistic(["abc", "abc"], 1, c, decay=d))
            if made.items == ("a",)
        )
        for d in (1.0, 3.0)
    ]
    assert tops == pytest.approx([1 / (1 + 1 / 2 + 1 / 3), 1 / (1 + 1 / 8 + 1 / 27)])


# ---- optimised


def test_the_allowed_slates_are_those_of_the_paper() -> None:
    """Radlinski & Craswell 2013: what is allowed of (a, b, c, d) and (b, d, c, a); here derived by hand."""
    assert set(map("".join, allowed(["abcd", "bdca"], 4))) == {"abcd", "abdc", "bacd", "badc", "bdac", "bdca"}


def test_optimised_draws_with_the_probabilities_of_an_independent_implementation() -> None:
    """mpkato/interleaving, tests/test_optimized.py. By hand: 2/3 p1 = 1/2 (1 - p1) and 1/6 (1 - p3) = 2/3 p3."""
    slates, _, p = design([[1, 2], [2, 3]], 2)
    found = dict(zip(slates, p, strict=True))
    assert found == pytest.approx({(1, 2): 3 / 7, (2, 1): 13 / 35, (2, 3): 1 / 5}, abs=1e-7)


def test_optimised_is_less_noisy_than_any_other_fair_draw() -> None:
    slates, worth, p = design(["abcd", "bdca"], 4)
    apart = worth[:, :, 0] - worth[:, :, 1]
    noise = (apart / np.arange(1, 5)).sum(axis=1) ** 2
    rng = np.random.default_rng(0)
    null = np.linalg.svd(np.vstack([np.ones(len(slates)), apart.T]))[2][-1]
    moved = [p + step * null for step in rng.uniform(-0.1, 0.1, 200)]
    others = [q for q in moved if (q >= 0).all() and abs(apart.T @ q).max() < 1e-9]
    assert all(noise @ q >= noise @ p - 1e-12 for q in others)
    assert p.sum() == pytest.approx(1)


def test_below_ten_places_both_take_turns_and_earn_nothing() -> None:
    made = optimised([list(range(14)), list(range(13, -1, -1))], 14, np.random.default_rng(0))
    assert sorted(made.items) == list(range(14))
    assert made.credits[:10].any()
    assert not made.credits[10:].any()


# ---- pairwise


def test_pairwise_scores_are_those_of_an_independent_implementation() -> None:
    """mpkato/interleaving, tests/test_pairwise_preference.py, test_compute_scores; worked from algorithm 2."""
    given_ = [[0, 1, 2, 3, 4], [0, 1, 2, 4, 3], [2, 1, 4, 0, 3]]
    worth = pair_credits([0, 1, 2, 3, 4], given_)

    def scores(clicked: int, passed: list[int]) -> list[float]:
        return worth[clicked, passed].sum(axis=0).tolist()

    assert scores(0, [1]) == pytest.approx([0, 0, 0])
    assert scores(1, [0, 2]) == pytest.approx([2, 2, -2])
    assert scores(2, [0, 1, 3]) == pytest.approx([-3, -3, 3])
    assert abs(worth[1, 3]).sum() == 0  # 3 could not come before the fourth place
    late = pair_credits([0, 2, 4, 1, 3], given_)
    assert abs(late[3, 4]) == pytest.approx(np.full(3, 1 / ((1 - 1 / 2) * (1 - 1 / 2))))


def test_a_click_is_preferred_to_what_was_passed_over() -> None:
    made = pairwise(["abcde", "edcba"], 5, np.random.default_rng(0))
    whole = made.credits[2, [0, 1, 3]].sum(axis=0)
    np.testing.assert_allclose(made.score([2]), whole)
    np.testing.assert_allclose(made.score([]), 0)
    both = made.credits[np.ix_([1, 3], [0, 2, 4])].sum(axis=(0, 1))
    np.testing.assert_allclose(made.score([1, 3]), both)


# ---- errors


def test_what_cannot_be_interleaved() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(SettingError, match=r"1 rankings came to be interleaved; two or more\."):
        team_draft(["ab"], 2, rng)
    with pytest.raises(SettingError, match="this method takes 2; use team-draft or pairwise for more"):
        balanced(["ab", "ba", "ab"], 2, rng)
    with pytest.raises(SettingError, match="k is 0; k must be at least 1"):
        pairwise(["ab", "ba"], 0, rng)
    with pytest.raises(SettingError, match="ranking 1 holds an item twice; each item once"):
        team_draft(["ab", "bb"], 2, rng)
