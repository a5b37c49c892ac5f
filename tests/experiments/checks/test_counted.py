"""Who is counted: the split over all and in segments, crossovers, balance before the start, A/A history."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from recloop.errors import DataError
from recloop.experiments import Experiment, Variant, read_out
from recloop.experiments.checks import aa_history, balance, crossover, split, traffic, traffic_by_segment
from recloop.stats import holm, sequential_srm, srm

AB = Experiment(
    name="t", variants={"a": Variant(policy="popular", control=True), "b": Variant(policy="blend")}, planned_users=4000
)


def people(users: int = 4000, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    slates = rng.poisson(3, users) + 1
    return pl.DataFrame(
        {
            "variant": rng.permutation(np.repeat(["a", "b"], users // 2)),
            "user": [f"u{i}" for i in range(users)],
            "slates": slates,
            "clicked_slates": rng.binomial(slates, 0.2),
            "country": pl.Series(rng.choice(["DE", "FR", "US", ""], users)).replace("", None),
            "phone": rng.random(users) < 0.5,
            "before": rng.exponential(5, users),
        }
    )


def test_the_split_says_how_far_it_is_from_the_plan() -> None:
    found = traffic(srm({"a": 1030, "b": 970}, {"a": 1, "b": 1}))
    assert found.level == "green"
    assert found.sentence.endswith("p = 0.18. b has 3.00% fewer users than planned.")
    strange = traffic(srm({"a": 50, "b": 50, "c": 4}, {"a": 1, "b": 1, "c": 0}))
    assert (strange.level, strange.sentence) == (
        "red", "Users were shown variants that have no traffic: 'c' (4 users)."
    )  # fmt: skip


def test_a_segment_that_lost_users_is_red_though_the_whole_is_not() -> None:
    table = people()
    lost = (pl.col("country") == "DE") & (pl.col("variant") == "b") & (pl.int_range(pl.len()) % 3 == 0)
    kept = table.filter(~lost.fill_null(value=False))
    whole = split(AB, kept)
    assert not whole.red
    found = traffic_by_segment(AB, kept, ["country", "phone"])
    assert found.level == "red"
    assert "where country = DE (b has " in found.sentence
    assert "after Holm over 6 segments. Something decides who is counted there." in found.sentence
    assert "(unknown)" not in found.sentence
    once = Experiment(name="t", variants=AB.variants, rule="fixed", planned_users=3000)
    readout = read_out(once, kept, now=0.0, segment_columns=["country", "phone"])
    assert readout.hidden == found.sentence
    assert (readout.comparisons, readout.segments.effects) == ((), ())


def test_segments_as_scipy_and_holm() -> None:
    table = people(seed=3)
    p = [
        stats.chisquare([part.filter(variant=name).height for name in "ab"]).pvalue
        for (_,), part in table.with_columns(pl.col("country").fill_null("?"))
        .partition_by(["country"], as_dict=True)
        .items()
    ]
    found = traffic_by_segment(AB, table, ["country"])
    assert found.level == "green"
    assert f"p = {holm(p).min():.2g} after Holm over 4 segments" in found.sentence


def test_too_few_users_for_segments() -> None:
    found = traffic_by_segment(AB, people(8), ["country"])
    assert (found.level, found.sentence) == ("green", "country: too few users to check how segments split.")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("contry", "no segment column 'contry'. Did you mean 'country'"),
        ("before", "segment column 'before' holds Float64; text, whole numbers"),
        ("user", "segment column 'user' has 4,000 values; at most 100. put the rare"),
    ],
)
def test_columns_that_are_no_segments(column: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        traffic_by_segment(AB, people(), [column])


def test_crossover_levels() -> None:
    assert crossover(0, 10).level == "green"
    assert crossover(1, 1000).level == "yellow"
    assert crossover(20, 1000).sentence.endswith("are left out; the limit is 1%.")


def test_arms_that_were_alike_and_arms_that_were_not() -> None:
    table = people()
    sides = [table.filter(variant=name)["before"] for name in "ab"]
    oracle = stats.ttest_ind(*sides, equal_var=False).pvalue
    found = balance(AB, table, ["before"])
    assert found.level == "green"
    assert f"(smallest p = {oracle:.2g})" in found.sentence
    moved = table.with_columns(before=pl.when(variant="b").then(pl.col("before") * 1.3).otherwise("before"))
    red = balance(AB, moved, ["before", "phone"])
    assert red.level == "red"
    assert "before is 6.506" in red.sentence
    assert "under b and 5.21" in red.sentence
    assert red.sentence.endswith("The split, or the log, is not what it is taken for.")
    slightly = table.with_columns(before=pl.when(variant="b").then(pl.col("before") + 0.65).otherwise("before"))
    assert balance(AB, slightly, ["before"]).level == "yellow"


def test_a_history_that_one_arm_lacks() -> None:
    gone = (pl.col("variant") == "b") & (pl.int_range(pl.len()) % 5 == 0)
    found = balance(AB, people().with_columns(before=pl.when(~gone).then("before")), ["before"])
    assert found.level == "red"
    assert "before is known of 79.2%" in found.sentence
    assert "under b and 100.0% under a" in found.sentence


@pytest.mark.parametrize(
    ("table", "covariate", "message"),
    [
        (people(), "befor", "no covariate 'befor'. Did you mean 'before'"),
        (people(), "country", "covariate 'country' holds String"),
        (people().with_columns(before=float("inf")), "before", "NaN or infinite for 2,000 users; numbers, null"),
    ],
)
def test_covariates_that_are_none(table: pl.DataFrame, covariate: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        balance(AB, table, [covariate])


def test_balance_raises_few_false_alarms() -> None:
    """At most the promised share of A/A tables is not green, over two covariates and their Holm adjustment."""
    rng, runs = np.random.default_rng(2), 200
    table, alarms = people(400), 0
    for _ in range(runs):
        drawn = table.with_columns(x=rng.normal(size=400), y=rng.exponential(size=400))
        alarms += balance(AB, drawn, ["x", "y"]).level != "green"
    assert alarms / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_aa_history() -> None:
    rng = np.random.default_rng(4)
    assert aa_history([0.5] * 9).sentence == "9 A/A experiments so far; 10 are needed to judge the pipeline."
    assert aa_history(rng.uniform(size=100)).level == "green"
    found = aa_history(rng.uniform(size=100) ** 3)
    assert found.level == "red"
    assert found.sentence.endswith("the pipeline finds effects that are not there.")
    assert "Of 100 A/A experiments 3" in found.sentence
    hidden = read_out(AB, people(), now=0.0, aa_p_values=rng.uniform(size=100) ** 3).hidden
    assert hidden.startswith("Of 100 A/A experiments")


def test_where_every_look_counts_the_split_raises_few_false_alarms() -> None:
    """A/A: 40 looks at 2,000 users; ever red in about one of a hundred experiments, by chi-square in more."""
    rng, runs, looks = np.random.default_rng(5), 300, 40
    arms = rng.integers(0, 2, (runs, 2000)).cumsum(axis=1)[:, 2000 // looks - 1 :: 2000 // looks]
    seen = 2000 // looks * np.arange(1, looks + 1)
    ever = sum(
        any(
            sequential_srm({"a": int(n - b), "b": int(b)}, AB.weights, 0.01, concentration=250).red
            for n, b in zip(seen, row, strict=True)
        )
        for row in arms
    )
    assert ever / runs <= 0.01 + 2 * np.sqrt(0.01 * 0.99 / runs)
    table = people(1000)
    assert split(AB, table, "always valid").alpha == 0.01
    assert split(AB, table).alpha == 0.001


def test_sessions_are_counted_where_sessions_are_assigned() -> None:
    """Users of both variants are as planned; the sessions of one country are not."""
    rng = np.random.default_rng(1)
    visits = people(1000).drop("variant").join(pl.DataFrame({"variant": ["a", "b"]}), how="cross")
    lost = (pl.col("country") == "DE") & (pl.col("variant") == "b")
    visits = visits.with_columns(sessions=pl.Series(rng.poisson(4, visits.height) + 1))
    visits = visits.with_columns(sessions=pl.when(lost).then(pl.col("sessions") // 2).otherwise("sessions"))
    test = Experiment(name="t", variants=AB.variants, unit="session", planned_users=1000)
    found = traffic_by_segment(test, visits, ["country"])
    assert found.level == "red"
    assert "fewer sessions than planned" in found.sentence
    assert "of sessions (planned 50.0%)" in split(test, visits).sentence
    even = visits.with_columns(sessions=5)
    readout = read_out(test, even, now=0.0, segment_columns=["country"])
    assert not readout.hidden
    # the same users are in both arms: each counts once per segment
    shown = [one.effect.method for one in readout.segments.effects if one.effect]
    assert all(one.users <= 1000 for one in readout.segments.effects)
    assert set(shown) == {"always valid, users of both arms"}
    assert len(readout.segments.effects) >= 3
    assert len([one for one in readout.checks if one.name == "crossover"]) == 1
