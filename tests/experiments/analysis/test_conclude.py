"""From sums to a verdict: adjusted, capped, day by day, live."""

import time
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from recloop.errors import DataError
from recloop.experiments import analyze, conclude, scan_of
from recloop.experiments.analysis.analyze import parsed
from recloop.stats import Comoments, cuped, winsorised

Plan = dict[str, Any]


def test_covariates_as_by_rows(users: pl.DataFrame, plan: Plan) -> None:
    found = analyze(users, plan=plan)
    arms = [users.filter(variant=name) for name in ("new", "old")]
    for metric, columns in (("spend", ["revenue", "visits", "before"]),):
        wanted = cuped(*(Comoments.of(arm.select(columns).to_numpy()) for arm in arms), ratio=True)
        effect = found.readout.of(metric)[0].effect
        assert effect is not None
        for name in ("estimate", "low", "high", "p_value", "relative_low", "relative_high"):
            assert getattr(effect, name) == pytest.approx(getattr(wanted.effect, name), rel=1e-9)
        detail = next(one for one in found.details if one.metric == metric)
        assert detail.variance_reduction == pytest.approx(wanted.variance_reduction, rel=1e-9)


def test_caps_as_by_rows(users: pl.DataFrame, plan: Plan) -> None:
    found = analyze(users, plan={**plan, "metrics": {"revenue": {"winsorise": 0.95}, "bought": {}}})
    wanted = winsorised(*(users.filter(variant=name)["revenue"].to_numpy() for name in ("new", "old")), q=0.95)
    detail = found.details[0]
    assert detail.cap == wanted.cap
    assert detail.uncapped is not None
    assert detail.uncapped.p_value == pytest.approx(wanted.uncapped.p_value, rel=1e-9)
    effect = found.readout.of("revenue")[0].effect
    assert effect is not None
    assert effect.low == pytest.approx(wanted.effect.low, rel=1e-9)


def test_gaps_in_covariates(users: pl.DataFrame, plan: Plan) -> None:
    from recloop.stats import impute

    some = users.with_columns(before=pl.when(pl.col("user") % 4 == 0).then(None).otherwise("before"))
    metrics = {"revenue": {"covariates": ["before"]}, "bought": {}}
    found = analyze(some, plan={**plan, "metrics": metrics}).readout.of("revenue")[0].effect
    sides = []
    fill = some["before"].mean()
    for name in ("new", "old"):
        arm = some.filter(variant=name)
        covariates = impute(arm["before"].fill_null(np.nan).to_numpy(), fill=[fill])
        sides.append(Comoments.of(np.column_stack([arm["revenue"].to_numpy(), covariates])))
    wanted = cuped(*sides).effect
    assert found is not None
    assert (found.estimate, found.low, found.p_value) == pytest.approx(
        (wanted.estimate, wanted.low, wanted.p_value), rel=1e-6
    )
    balance = next(c for c in analyze(some, plan={**plan, "metrics": metrics}).readout.checks if c.name == "balance")
    assert "over 2 comparisons" in balance.sentence  # the mean of those who have one, and how many do


def test_large_values_lose_no_figures(plan: Plan) -> None:
    rng = np.random.default_rng(1)
    n = 4000
    small = rng.normal(0.0, 1.0, n)
    users = pl.DataFrame({"variant": np.array(["old", "new"])[rng.integers(0, 2, n)], "small": small})
    users = users.with_columns(large=pl.col("small") + 1e9)
    read = {
        **plan,
        "metrics": {"small": {"negative": True}, "large": {}},
        "primary": "large",
        "guardrails": [],
        "segments": [],
    }
    found = analyze(users, plan=read)
    large, little = (found.readout.of(name)[0].effect for name in ("large", "small"))
    assert large is not None
    assert little is not None
    assert large.estimate == pytest.approx(little.estimate, abs=1e-6)
    assert large.p_value == pytest.approx(little.p_value, rel=1e-5)


def test_a_constant_metric_is_no_effect(users: pl.DataFrame, plan: Plan) -> None:
    same = users.with_columns(bought=pl.lit(0.3))
    found = analyze(same, plan={**plan, "metrics": {"revenue": {}, "bought": {}}}).readout.of("bought")[0]
    assert found.effect is None
    assert found.reason == "0.30 for every user of both"


def test_live_is_batch(users: pl.DataFrame, plan: Plan) -> None:
    """Sums of parts add up to those of all, and reading them takes milliseconds."""
    typed = parsed(plan)
    batch = scan_of(users, plan=typed)
    running = None
    for part in users.iter_slices(1000):
        more = scan_of(part, plan=typed, like=batch)
        running = more if running is None else running + more
    assert running is not None
    one, other = (conclude(typed, scan, now=0.0) for scan in (batch, running))
    for name in one.table.columns:
        if one.table[name].dtype == pl.Float64:
            np.testing.assert_allclose(one.table[name].to_numpy(), other.table[name].to_numpy(), rtol=1e-9)
    assert one.verdict == other.verdict
    took = []
    for _ in range(5):
        start = time.process_time()
        conclude(typed, running, now=0.0)
        took.append(time.process_time() - start)
    assert min(took) < 0.15  # some milliseconds where nothing else runs

    with pytest.raises(DataError, match="capped at different values do not add up; pass caps"):
        batch + scan_of(users.head(500), plan=typed)
    with pytest.raises(DataError, match="sums of different columns do not add up"):
        batch + scan_of(users, plan={**plan, "metrics": {"revenue": {}, "bought": {}}})


def test_sums_around_different_centres_add_up(plan: Plan) -> None:
    rng = np.random.default_rng(2)
    users = pl.DataFrame(
        {"variant": ["old", "new"] * 500, "y": np.concatenate([rng.normal(1e7, 1, 500), rng.normal(3, 1, 500)])}
    )
    read = {**plan, "metrics": {"y": {"negative": True}}, "primary": "y", "guardrails": [], "segments": []}
    sums = scan_of(users.head(500), plan=read) + scan_of(users.tail(500), plan=read)
    found = sums.sums.comoments(["y"], sums.sums.of("new"))
    wanted = Comoments.of(users.filter(variant="new").select("y").to_numpy())
    assert found.means[0] == pytest.approx(wanted.means[0], rel=1e-12)
    assert found.products[0, 0] == pytest.approx(wanted.products[0, 0], rel=1e-9)


def test_days(users: pl.DataFrame, plan: Plan) -> None:
    found = analyze(users, plan=plan)
    (lift,) = found.readout.lifts
    assert lift.users[-1] == users.height
    assert len(lift.times) == 9
    assert lift.low[-1] < lift.estimate[-1] < lift.high[-1]
    third = users.filter(pl.col("time").dt.day() <= 3)
    assert lift.users[2] == third.height


def test_sequential(users: pl.DataFrame, plan: Plan) -> None:
    found = analyze(users, plan={**plan, "rule": "sequential", "planned_users": 20_000})
    assert found.readout.basis == "always valid"
    effect, fixed = found.readout.of("revenue")[0].effect, found.readout.of("revenue")[0].fixed
    assert effect is not None
    assert fixed is not None
    assert effect.high - effect.low > fixed.high - fixed.low
    assert effect.estimate == pytest.approx(fixed.estimate, rel=0.02)  # theta is shared by all looks


def test_hidden_behind_its_reason(users: pl.DataFrame, plan: Plan) -> None:
    lost = users.filter((pl.col("variant") == "old") | (pl.col("user") % 3 > 0))
    found = analyze(lost, plan=plan)
    assert found.verdict.verdict == "invalid"
    assert "Traffic was not split as planned" in str(found)
    assert not found.table.height


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [(pl.Int64, "0", "1"), (pl.Int64, 0, 1), (pl.Boolean, "false", "true"), (pl.Boolean, False, True)],
)
def test_variants_need_not_be_text(kind: Any, old: Any, new: Any, users: pl.DataFrame, plan: Plan) -> None:
    coded = users.with_columns(variant=(pl.col("variant") == "new").cast(kind))
    variants = {"old": {"control": True, "value": old}, "new": {"value": new}}
    wanted = analyze(users, plan=plan, now=0.0).table
    assert_frame_equal(analyze(coded, plan={**plan, "variants": variants}, now=0.0).table, wanted, rel_tol=2e-9)


def test_recloops_own_outcomes() -> None:
    """The user table of a store, read by the same definitions: what ``read_out`` says."""
    from recloop.experiments import Experiment, Variant, read_out

    rng = np.random.default_rng(4)
    n = 800
    slates = 1 + rng.poisson(2.0, n)
    table = pl.DataFrame(
        {
            "user": [f"u{i}" for i in range(n)],
            "variant": np.array(["popular", "blend"])[rng.integers(0, 2, n)],
            "slates": slates,
            "clicked_slates": rng.binomial(slates, 0.3),
            "first": rng.uniform(0, 86400 * 5, n),
        }
    )
    variants = {"popular": Variant(policy="popular", control=True), "blend": Variant(policy="blend")}
    test = Experiment(name="home", variants=variants, rule="fixed", planned_users=n)
    found = analyze(
        table,
        plan={
            "variants": {"popular": {"control": True}, "blend": {}},
            "metrics": {"slate_ctr": {"outcome": "slate_ctr"}},
            "primary": "slate_ctr",
            "rule": "fixed",
            "columns": {"time": "first"},
        },
    )
    wanted = read_out(test, table, now=0.0).of("slate_ctr")[0].effect
    effect = found.readout.of("slate_ctr")[0].effect
    assert effect is not None
    assert wanted is not None
    for name in ("estimate", "low", "high", "p_value", "relative_high"):
        assert getattr(effect, name) == pytest.approx(getattr(wanted, name), rel=1e-9)
    assert found.verdict.sentence.count("click rate") == 1


@pytest.mark.parametrize("settings", [{}, {"denominator": "visits"}, {"winsorise": 0.9}])
def test_the_skew_of_unequal_arms_is_that_of_the_values(settings: dict[str, object]) -> None:
    rng = np.random.default_rng(8)
    table = pl.DataFrame(
        {
            "user": np.arange(3300),
            "variant": np.repeat(["old", "new"], [3000, 300]),
            "spend": (rng.random(3300) < 0.05) * rng.lognormal(0.0, 1.0, 3300),
            "visits": 1.0 + rng.poisson(2.0, 3300),
        }
    )
    plan = {
        "variants": {"old": {"control": True, "weight": 10}, "new": {}}, "primary": "spend", "planned_users": 3300,
        "metrics": {"spend": settings},
    }  # fmt: skip
    found = analyze(table, plan=plan)
    y, x = table["spend"].to_numpy(), table["visits"].to_numpy()
    if "winsorise" in settings:
        y = np.minimum(y, found.scan.caps["spend, capped at 0.9"])
    value = y - y.sum() / x.sum() * x if "denominator" in settings else y
    assert found.scan.skews["spend"] == pytest.approx(
        stats.skew(value), rel=0.01 if "denominator" in settings else 1e-6
    )
    (one,) = found.readout.of("spend")
    assert one.users_needed > 300
    assert found.verdict.sentence.startswith("Keep running. The spend of single users is skewed")
    equal = analyze(table.with_columns(variant=pl.Series(["old", "new"] * 1650)), plan={**plan, "variants": {"old": {"control": True}, "new": {}}})  # fmt: skip
    assert equal.scan.skews == {}
