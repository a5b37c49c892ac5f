"""Each family of outcome metrics by hand: what is summed, for whom, and that what was never sent is not there."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError
from recloop.metrics.online import FAMILIES, OUTCOMES
from recloop.metrics.outcomes import DAY, ItemFacts, by_user, user_table

from .test_outcomes import decisions, events, feedback, only

DOCS = Path(__file__).resolve().parents[2] / "docs"
ONE = decisions(("d1", "ann", "a", 100.0, ["x", "y", "z"]))


def value(metric: str, table: pl.DataFrame) -> float:
    found = OUTCOMES[metric]
    assert not found.missing(table), found.missing(table)
    y, x = found.values(table)
    return float(y.sum() / (len(y) if x is None else x.sum()))


def test_places_of_clicks_and_their_order() -> None:
    clicks = [("ann", item, "click", None, at, "d1") for item, at in (("z", 101.0), ("x", 102.0), ("z", 103.0))]
    table = user_table(ONE, events(*clicks))
    assert value("first_click_place", table) == 3  # z was clicked first
    assert value("depth", table) == 3
    # places 1 and 3 of the slate, where 1 and 2 would be best
    assert value("click_ndcg", table) == pytest.approx((1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3)))


def test_long_clicks_and_bounces_are_shares_of_clicks_whose_time_is_known() -> None:
    done = events(
        ("ann", "x", "click", None, 101.0, "d1"), ("ann", "x", "dwell", 20.0, 130.0, "d1"),
        ("ann", "x", "dwell", 15.0, 150.0, "d1"),  # 35 seconds in all
        ("ann", "y", "click", None, 160.0, "d1"), ("ann", "y", "dwell", 3.0, 163.0, "d1"),
        ("ann", "z", "click", None, 170.0, "d1"),  # nobody knows how long
    )  # fmt: skip
    table = user_table(ONE, done)
    assert (value("long_clicks", table), value("bounces", table)) == (0.5, 0.5)
    assert only(table)["timed_clicks"] == 2


def test_saves_skips_hides_and_completion() -> None:
    done = events(
        ("ann", "x", "save", None, 101.0, "d1"), ("ann", "y", "skip", None, 101.0, "d1"),
        ("ann", "z", "hide", None, 101.0, "d1"), ("ann", "x", "complete", 0.5, 150.0, "d1"),
        ("ann", "y", "complete", 7.0, 151.0, "d1"),  # more than the whole is the whole
    )  # fmt: skip
    table = user_table(ONE, done)
    assert value("saves", table) == 1
    assert (value("skips", table), value("not_interested", table)) == pytest.approx((1 / 3, 1 / 3))
    assert value("completion", table) == 0.75


def test_good_abandonment_is_told_apart() -> None:
    shown = decisions(("d1", "ann", "a", 0.0, ["x"]), ("d2", "bob", "a", 0.0, ["x"]), ("d3", "zoe", "a", 0.0, ["x"]))
    done = events(
        ("ann", "x", "dwell", 45.0, 50.0, "d1"),  # read it on the slate, and left
        ("zoe", "x", "click", None, 5.0, "d3"),
    )
    table = user_table(shown, done)
    assert value("abandonment", table) == pytest.approx(2 / 3)
    assert value("bad_abandonment", table) == pytest.approx(1 / 3)


def test_searches_count_for_the_slate_before_them_and_soon() -> None:
    shown = decisions(("d1", "ann", "a", 0.0, ["x"]), ("d2", "ann", "a", 100.0, ["x"]), ("d3", "bob", "a", 0.0, ["x"]))
    done = events(("ann", "", "search", None, 150.0, None), ("bob", "", "search", None, 400.0, None))
    assert value("search_after_slate", user_table(shown, done)) == pytest.approx(1 / 3)


def test_clicks_in_anger() -> None:
    done = events(("ann", "", "rage_click", None, 105.0, None), ("ann", "", "dead_click", None, 106.0, None))
    assert value("struggle", user_table(ONE, done)) == 1


def test_time_to_the_first_good_item_is_restricted_and_by_visit() -> None:
    shown = decisions(
        ("d1", "ann", "a", 0.0, ["x"]), ("d2", "ann", "a", 60.0, ["y"]),  # one visit: bought after 90 s
        ("d3", "ann", "a", 9000.0, ["x"]),  # another: never
    )  # fmt: skip
    done = events(("ann", "y", "purchase", 5.0, 90.0, "d2"), ("ann", "x", "click", None, 9001.0, "d3"))
    table = user_table(shown, done)
    assert only(table)["visits_begun"] == 2
    assert value("time_to_good", table) == (90 + 1800) / 2
    assert value("time_to_good", user_table(shown, done.filter(pl.col("kind") == "click"))) == (1800 + 1) / 2


def test_items_bought_before_are_known_from_any_time() -> None:
    done = events(("ann", "x", "purchase", 5.0, 50.0, None), ("ann", "y", "purchase", 5.0, 101.0, "d1"))
    assert value("already_consumed", user_table(ONE, done)) == pytest.approx(1 / 3)


def test_hiding_an_item_should_lower_the_share_of_its_topic() -> None:
    facts = ItemFacts(pl.DataFrame({"item": ["x", "y", "z", "w"], "category": ["war", "war", "love", "love"]}))
    shown = decisions(
        ("d1", "ann", "a", 0.0, ["x", "y", "z", "w"]),  # half of it war
        ("d2", "ann", "a", 200.0, ["x", "z", "w"]), ("d3", "ann", "a", 300.0, ["z", "w", "y"]),  # a third
        ("d4", "bob", "a", 0.0, ["x"]),
    )  # fmt: skip
    done = events(("ann", "x", "hide", None, 10.0, "d1"), ("bob", "x", "hide", None, 10.0, "d4"))
    table = user_table(shown, done, facts=facts)
    assert value("control_efficacy", table) == pytest.approx(1 / 2 - 1 / 3)  # nobody knows what became of bob's
    assert OUTCOMES["control_efficacy"].missing(user_table(shown, done))


def test_calibration_is_the_divergence_of_steck() -> None:
    """Taste 70/30, slates 100/0, 70/30: KL(p || .99 q + .01 p) (Steck 2018, equation 4)."""
    facts = ItemFacts(pl.DataFrame({"item": ["r", "a"], "category": ["romance", "action"]}))
    past = [("ann", "r", "view", None, 0.0, None)] * 7 + [("ann", "a", "view", None, 0.0, None)] * 3
    shown = decisions(("d1", "ann", "a", 10.0, ["r"] * 10), ("d2", "ann", "b", 20.0, ["r"] * 7 + ["a"] * 3))
    table = user_table(shown, events(*past), facts=facts)
    one_sided = 0.7 * math.log(0.7 / (0.99 + 0.007)) + 0.3 * math.log(0.3 / 0.003)
    assert dict(table.select("variant", "kl_sum").iter_rows()) == pytest.approx({"a": one_sided, "b": 0.0}, abs=1e-12)


def test_taste_forgets() -> None:
    facts = ItemFacts(pl.DataFrame({"item": ["r", "a"], "category": ["romance", "action"]}))
    past = [("ann", "r", "view", None, 0.0, None), ("ann", "a", "view", None, 30 * DAY, None)]
    shown = decisions(("d1", "ann", "a", 30 * DAY + 1e-6, ["r", "a", "a"]))
    table = user_table(shown, events(*past), facts=facts)
    assert only(table)["kl_sum"] == pytest.approx(0, abs=1e-6)  # a month later it counts half


def test_novelty_popularity_age_and_categories() -> None:
    facts = ItemFacts(
        pl.DataFrame({
            "item": ["x", "y", "z"], "popularity": [0.5, 0.25, 0.0], "arrived": [0.0, DAY, None],
            "category": ["war", "war", None]})
    )  # fmt: skip
    shown = decisions(("d1", "ann", "a", 2 * DAY, ["x", "y", "z"]), ("d2", "new", "a", 2 * DAY, ["y"]))
    table = user_table(shown, events(("ann", "y", "view", None, DAY, None)), facts=facts)
    assert value("novelty", table) == pytest.approx((1 + 2 + 2) / 3)
    assert value("popularity_ratio", table) == pytest.approx((0.5 + 0.25) / (2 * 0.25))  # of ann: new has no past
    assert value("age", table) == pytest.approx((2 + 1 + 1) / 3)
    assert value("category_coverage", table) == pytest.approx(2 / 3)


def test_serendipity_is_a_click_on_what_is_unlike_the_past() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 3.0], [2.0, 2.0]])
    facts = ItemFacts(pl.DataFrame({"item": ["x", "y", "z"]}), vectors)
    past = events(
        ("ann", "x", "view", None, 1.0, None),
        ("ann", "y", "click", None, 101.0, "d1"), ("ann", "z", "click", None, 102.0, "d1"),
    )  # fmt: skip
    table = user_table(ONE, past, facts=facts)
    assert value("serendipity", table) == pytest.approx((1 - 0 + 1 - math.sqrt(0.5)) / 3, abs=1e-6)


def test_whoever_cannot_be_back_yet_is_not_counted() -> None:
    shown = decisions(
        ("d1", "ann", "a", 0.0, ["x"]), ("d2", "ann", "a", 9 * DAY, ["x"]),
        ("d3", "bob", "a", 0.0, ["x"]), ("d4", "late", "a", 10 * DAY, ["x"]),
    )  # fmt: skip
    table = user_table(shown, events(("zoe", "x", "view", None, 15 * DAY, None)))
    assert value("return_week", table) == 0.5
    assert table["followed_7"].sum() == 2
    assert value("days_to_return", table) == (9 + 14) / 2
    assert OUTCOMES["return_month"].values(table)[1].sum() == 0
    assert dict(table.select("user", "active_days").iter_rows()) == {"ann": 2, "bob": 1, "late": 1}


def test_answers_that_are_slow_empty_or_short() -> None:
    shown = decisions(
        ("d1", "ann", "a", 0.0, ["x", "y"]), ("d2", "ann", "a", 1.0, ["x", "y"]), ("d3", "ann", "a", 2.0, ["x"]),
        ("d4", "ann", "a", 3.0, []), latency=[0.1, 0.3, None, 0.2],
    )  # fmt: skip
    table = user_table(shown, events())
    assert (value("empty_slates", table), value("short_slates", table)) == (0.25, 0.25)
    assert value("slow_slates", table) == pytest.approx(1 / 3)


def test_votes_and_the_best_answers() -> None:
    said = feedback(
        ("ann", "survey", 101.0, 5.0, "", "", "d1"), ("ann", "survey", 102.0, 3.0, "", "", "d1"),
        ("ann", "thumbs", 103.0, -1.0, "", "x", "d1"), ("ann", "helpful", 104.0, 1.0, "", "x", "d1"),
    )  # fmt: skip
    table = user_table(ONE, events(), said)
    assert (value("survey_top", table), value("thumbs", table), value("helpful", table)) == (0.5, 0.0, 1.0)


def test_days_add_up() -> None:
    rng = np.random.default_rng(3)
    n, users = 300, 20
    shown = decisions(
        *((f"d{i}", f"u{rng.integers(users)}", "ab"[i % 2], t, [f"i{j}" for j in rng.permutation(9)[:4]])
          for i, t in enumerate(np.sort(rng.uniform(0, 40 * DAY, n)).tolist()))
    )  # fmt: skip
    kinds = ["click", "purchase", "save", "skip", "hide", "dwell", "complete", "search", "rage_click"]
    done = events(
        *((f"u{rng.integers(users)}", f"i{rng.integers(9)}", str(rng.choice(kinds)), float(rng.uniform(0, 60)), t, None)
          for t in rng.uniform(0, 41 * DAY, 4000).tolist())
    )  # fmt: skip
    facts = ItemFacts(
        pl.DataFrame({"item": [f"i{j}" for j in range(9)], "category": list("aabbccdde"), "popularity": 0.1,
                      "arrived": 0.0}), rng.standard_normal((9, 3)))  # fmt: skip
    whole = user_table(shown, done, facts=facts)
    days = by_user(user_table(shown, done, facts=facts, daily=True))
    for name in set(whole.columns) - {"variant", "user"}:
        assert days[name].to_list() == pytest.approx(whole[name].to_list(), nan_ok=True), name
    silent = {m.id for m in OUTCOMES.values() if m.missing(whole)}
    assert silent == {"satisfaction", "survey", "survey_top", "thumbs", "sentiment", "helpful", "diversity"}


def test_nothing_is_invented() -> None:
    table = user_table(ONE, events(("ann", "q", "view", None, 101.0, None)))
    silent = {m.id for m in OUTCOMES.values() if m.missing(table)}
    told = {"repeat_exposure", "latency", "slow_slates", "empty_slates", "short_slates", "fallback_rate"}
    assert set(OUTCOMES) - silent == told | {m.id for m in FAMILIES["retention"]}


def test_facts_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="1 rows of the items repeat an item"):
        ItemFacts(pl.DataFrame({"item": ["x", "x"]}))
    with pytest.raises(DataError, match="there are 2 vectors for 1 items"):
        ItemFacts(pl.DataFrame({"item": ["x"]}), np.ones((2, 3)))
    with pytest.raises(DataError, match="the items have no column item"):
        ItemFacts(pl.DataFrame({"id": ["x"]}))


def test_the_page_is_written_from_the_metrics() -> None:
    spec = importlib.util.spec_from_file_location("outcomes_page", DOCS / "outcomes.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "reference" / "outcomes.md").read_text(encoding="utf-8") == module.page(), "python docs/outcomes.py"
