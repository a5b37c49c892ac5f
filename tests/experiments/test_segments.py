"""Effects per segment against what was put in, scipy, and the promised error rates."""

import json

import numpy as np
import polars as pl
import pytest
from scipy import stats

from recloop.experiments import Experiment, Guardrail, Variant, read_out
from recloop.experiments.segments import Segments
from recloop.stats import Moments, benjamini_hochberg, ratio, welch

TEST = Experiment(
    name="t",
    variants={"a": Variant(policy="popular", control=True), "b": Variant(policy="blend")},
    primary="purchase_rate",
    guardrails=(Guardrail(metric="revenue_per_user"),),
    planned_users=6000,
    rule="fixed",
)


def people(seed: int = 0, lifts: dict[str, float] | None = None, users: int = 6000) -> pl.DataFrame:
    """Buyers of four countries, one of them small; b adds the country's lift to a fifth of buyers."""
    rng = np.random.default_rng(seed)
    country = rng.choice(["DE", "FR", "US", "VA"], users, p=[0.4, 0.35, 0.24, 0.01])
    variant = rng.permutation(np.repeat(["a", "b"], users // 2))
    lift = np.vectorize(lambda one: (lifts or {}).get(one, 0.0), otypes=[float])(country)
    return pl.DataFrame(
        {
            "variant": variant,
            "user": [f"u{i}" for i in range(users)],
            "country": country,
            "tier": rng.integers(0, 3, users),
            "buyer": rng.binomial(1, 0.2 + lift * (variant == "b")),
            "revenue": rng.exponential(10, users),
        }
    )


def read(table: pl.DataFrame, **settings: object) -> Segments:
    columns = ["country", "tier"]
    return read_out(Experiment(**{**TEST.to_dict(), **settings, "variants": TEST.variants, "guardrails": TEST.guardrails}),
                    table, now=0.0, segment_columns=columns).segments  # fmt: skip


def test_each_segment_is_welchs_test_of_its_users() -> None:
    table = people(lifts={"FR": 0.15})
    found = read(table)
    france = next(one for one in found.effects if (one.value, one.metric) == ("FR", "purchase_rate"))
    sides = [
        Moments.of(table.filter(country="FR", variant=name)["buyer"].cast(pl.Float64).to_numpy()) for name in ("b", "a")
    ]
    once = welch(*sides)
    assert (france.effect.low, france.effect.high, france.effect.p_value) == pytest.approx(
        (once.low, once.high, once.p_value)
    )
    rest = [
        Moments.of(table.filter(pl.col("country") != "FR", variant=name)["buyer"].cast(pl.Float64).to_numpy())
        for name in ("b", "a")
    ]
    gap = sides[0].mean - sides[1].mean - (rest[0].mean - rest[1].mean)
    error = np.sqrt(sum(side.var / side.n for side in (*sides, *rest)))
    assert france.p_rest == pytest.approx(2 * stats.norm.sf(abs(gap) / error))


def test_p_values_are_adjusted_over_every_metric_and_segment() -> None:
    found = read(people(lifts={"FR": 0.15}))
    tested = [one for one in found.effects if one.effect]
    assert len(tested) == 2 * (3 + 3)
    assert [one.p_adjusted for one in tested] == pytest.approx(
        benjamini_hochberg([one.p_rest for one in tested]).tolist()
    )
    assert [one.p_adjusted for one in found.tests] == pytest.approx(
        benjamini_hochberg([one.p_value for one in found.tests]).tolist()
    )


def test_sentences_name_what_differs() -> None:
    found = {(one.column, one.metric): one for one in read(people(lifts={"FR": 0.15})).tests}
    said = found["country", "purchase_rate"]
    assert said.df == 2
    assert said.sentence.startswith(
        "The effect of b against a on purchase rate differs by country (p < 0.0001 after Benjamini-Hochberg over 4 "
        "tests): from FR +"
    )
    assert "Unlike the rest: " in said.sentence
    assert "FR" in said.sentence.split("Unlike the rest: ")[1]
    assert found["tier", "revenue_per_user"].sentence.startswith(
        "That the effect of b against a on revenue per user differs by tier is not beyond doubt (p = "
    )


def test_small_segments_have_a_reason_instead_of_an_effect() -> None:
    small = next(one for one in read(people()).effects if one.value == "VA")
    assert small.effect is None
    assert small.reason.endswith("and each variant needs 100")
    assert np.isnan(small.p_adjusted)


def test_no_segments_where_none_were_asked_for_and_json_without_nan() -> None:
    readout = read_out(TEST, people(), now=0.0)
    assert readout.segments == Segments()
    text = json.dumps(read_out(TEST, people(), now=0.0, segment_columns=["country"]).to_dict(), allow_nan=False)
    assert {one["value"] for one in json.loads(text)["segments"]["effects"]} == {"DE", "FR", "US", "VA"}


def test_false_alarms_where_every_segment_has_the_same_effect() -> None:
    """The effect itself is there; that it differs is not: some test calls it so in at most alpha of the tables."""
    runs = 120
    same = dict.fromkeys(["DE", "FR", "US", "VA"], 0.1)
    alarms = sum(
        any(one.p_adjusted < 0.05 for one in read(people(seed, same, 2000), planned_users=2000).tests)
        for seed in range(runs)
    )
    assert alarms / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_before_the_planned_size_intervals_hold_at_every_look() -> None:
    table = people(lifts={"FR": 0.15})
    once, always = read(table), read(table, planned_users=9000)
    pairs = [(a.effect, b.effect) for a, b in zip(once.effects, always.effects, strict=True) if a.effect and b.effect]
    assert all(b.low < a.low < a.high < b.high for a, b in pairs)
    assert all(b.p_value >= a.p_value for a, b in zip(once.tests, always.tests, strict=True))


def visits(seed: int, users: int, lifts: dict[str, float], taste: float = 0.3) -> pl.DataFrame:
    """Four visits per user, each assigned by itself; users differ, whatever the variant."""
    rng = np.random.default_rng(seed)
    country = rng.choice(["DE", "FR", "US"], users)
    likes = 0.4 + taste * rng.choice([-1.0, 1.0], users)
    of = np.repeat(np.arange(users), 4)
    variant = rng.choice(["a", "b"], of.size)
    lift = np.array([lifts.get(one, 0.0) for one in country])[of] * (variant == "b")
    log = pl.DataFrame(
        {
            "variant": variant,
            "user": of,
            "country": country[of],
            "clicked_slates": rng.random(of.size) < likes[of] + lift,
        }
    )
    return log.group_by("variant", "user", "country", maintain_order=True).agg(
        pl.len().alias("slates"), pl.col("clicked_slates").sum()
    ).with_columns(pl.col("user").cast(pl.String))  # fmt: skip


SESSIONS = {"unit": "session", "primary": "slate_ctr", "guardrails": (), "minimum_users": 50}


def by_session(table: pl.DataFrame, **settings: object) -> Segments:
    given = {**TEST.to_dict(), **SESSIONS, "planned_users": 1500, "variants": TEST.variants, **settings}
    return read_out(Experiment(**given), table, now=0.0, segment_columns=["country"]).segments


def test_where_sessions_are_assigned_a_segment_is_the_comparison_of_its_users() -> None:
    table = visits(1, 1500, {"FR": 0.2})
    found = by_session(table)
    assert {one.value for one in found.effects} == {"DE", "FR", "US"}
    for one in found.effects:
        own = table.filter(country=one.value)
        given = {**TEST.to_dict(), **SESSIONS, "planned_users": 2, "minimum_users": 2, "variants": TEST.variants}
        (alone,) = read_out(Experiment(**given), own, now=0.0).of("slate_ctr")
        assert (one.effect.low, one.effect.high) == pytest.approx((alone.fixed.low, alone.fixed.high))
        assert one.users == own["user"].n_unique()
    (france,) = (one for one in found.effects if one.value == "FR")
    assert france.p_adjusted < 1e-4
    assert found.tests[0].sentence.startswith("The effect of b against a on click rate differs by country (p < 0.0001)")
    # users who are alike in both variants make it more certain than separate users would
    sides = [
        Moments.of(side["clicked_slates"].cast(pl.Float64).to_numpy(), side["slates"].cast(pl.Float64).to_numpy())
        for side in (table.filter(country="FR", variant=name) for name in ("b", "a"))
    ]
    apart = ratio(*sides)
    assert france.effect.high - france.effect.low < 0.9 * (apart.high - apart.low)


@pytest.mark.parametrize("rule", ["fixed", "sequential"])
def test_equal_effects_over_sessions_are_told_apart_no_more_often_than_promised(rule: str) -> None:
    worlds, alarms = 120, 0
    for seed in range(worlds):
        found = by_session(visits(100 + seed, 400, {}, taste=0.35), rule=rule, planned_users=400, alpha=0.1)
        alarms += found.tests[0].p_value < 0.1
    most = 0.1 + 3.3 * np.sqrt(0.09 / worlds)
    assert alarms / worlds < most
    if rule == "fixed":
        assert alarms / worlds > 0.1 - 3.3 * np.sqrt(0.09 / worlds)
