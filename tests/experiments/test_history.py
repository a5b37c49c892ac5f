"""Effects of a live experiment made sharper by what users did before it, capped, and believed."""

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, SettingError
from recloop.experiments import AnalysisPlan, Experiment, Variant, analyze, decide, read_out
from recloop.experiments.effects import once
from recloop.metrics.before import before_table
from recloop.metrics.online import OUTCOMES
from recloop.stats import Comoments, Moments, beliefs, cuped, impute, miettinen_nurminen, welch
from recloop.stats.bayes import Normal

AB = {"a": Variant(policy="popular", control=True), "b": Variant(policy="blend")}
TWO = {id_: OUTCOMES[id_] for id_ in ("spend_per_user", "slate_ctr")}


def world(seed: int = 0, users: int = 1200, lift: float = 0.3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A user table, and what two thirds of the users spent and clicked before."""
    rng = np.random.default_rng(seed)
    taste = rng.gamma(2.0, 2.0, users)
    variant = np.where(np.arange(users) % 2, "b", "a")
    slates = rng.poisson(4, users) + 1
    table = pl.DataFrame(
        {
            "variant": variant,
            "user": [f"u{i}" for i in range(users)],
            "first": np.arange(users) * 60.0,
            "spend": taste + rng.normal(0, 1, users) + lift * (variant == "b"),
            "slates": slates,
            "clicked_slates": rng.binomial(slates, np.clip(taste / 12, 0, 1)),
        }
    )
    before = pl.DataFrame(
        {"user": table["user"], "spend": taste + rng.normal(0, 1, users), "clicks": rng.poisson(taste)}
    ).filter(pl.arange(0, pl.len()) % 3 > 0)
    return table, before


def trial(**settings: object) -> Experiment:
    given = {"primary": "spend_per_user", "secondaries": ("slate_ctr",), "planned_users": 1200, "covariate_days": 14}
    return Experiment(name="t", variants=AB, **{**given, **settings})


def test_the_adjusted_effect_is_cuped_with_imputed_gaps_and_the_plain_one_stands_beside_it() -> None:
    table, before = world()
    readout = read_out(trial(rule="fixed"), table, now=1e6, catalogue=TWO, before=before)
    both = table.join(before.select("user", x="spend"), on="user", how="left", maintain_order="left")
    sides = impute(both["x"].fill_null(np.nan).to_numpy())
    arms = [
        Comoments.of(np.column_stack([table["spend"], sides])[(table["variant"] == name).to_numpy()])
        for name in ("b", "a")
    ]
    expected = cuped(*arms)
    (found,), (detail,) = readout.of("spend_per_user"), [d for d in readout.details if d.metric == "spend_per_user"]
    assert (found.fixed.estimate, found.fixed.low) == pytest.approx((expected.effect.estimate, expected.effect.low))
    assert detail.plain.estimate == pytest.approx(expected.plain.estimate)
    assert detail.variance_reduction == pytest.approx(expected.variance_reduction)
    assert detail.variance_reduction > 0.4
    assert found.sequential.estimate == pytest.approx(found.fixed.estimate)
    wide = read_out(trial(), table, now=1e6, catalogue=TWO).of("spend_per_user")[0].sequential
    assert found.sequential.high - found.sequential.low < 0.8 * (wide.high - wide.low)


def test_a_ratio_is_adjusted_by_events_and_the_balance_is_checked() -> None:
    table, before = world()
    readout = read_out(trial(), table, now=1e6, catalogue=TWO, before=before)
    assert {one.metric for one in readout.details} == {"spend_per_user", "slate_ctr"}
    assert min(one.variance_reduction for one in readout.details) > 0.1
    (check,) = [one for one in readout.checks if one.name == "balance"]
    assert check.level == "green"
    assert "spend" in check.sentence


def test_predictions_from_all_columns_narrow_as_much_and_repeat() -> None:
    table, before = world()
    test = trial(covariates="predicted")
    found = read_out(test, table, now=1e6, catalogue=TWO, before=before)
    again = read_out(test, table.sample(fraction=1.0, shuffle=True, seed=3), now=1e6, catalogue=TWO, before=before)
    shares = {one.metric: one.variance_reduction for one in found.details}
    assert shares["spend_per_user"] > 0.4
    assert shares["slate_ctr"] > 0.1
    assert found.comparisons[0].effect.low == pytest.approx(again.comparisons[0].effect.low, rel=1e-9)


def test_adjusted_intervals_hold_over_worlds_without_an_effect() -> None:
    misses = {"own": 0, "predicted": 0}
    for seed in range(50):
        table, before = world(seed, users=300, lift=0.0)
        for how in misses:
            test = trial(covariates=how, rule="fixed", planned_users=300, alpha=0.2, secondaries=())
            effect = read_out(test, table, now=1e6, catalogue={"spend_per_user": TWO["spend_per_user"]}, before=before)
            misses[how] += effect.comparisons[0].fixed.p_value < 0.2
    assert all(2 <= count <= 20 for count in misses.values()), misses


def test_users_without_any_history_change_nothing() -> None:
    table, before = world()
    plain = read_out(trial(), table, now=1e6, catalogue=TWO)
    nobody = read_out(trial(), table, now=1e6, catalogue=TWO, before=before.clear())
    assert nobody.comparisons == plain.comparisons
    assert nobody.details == ()


def test_the_group_sequential_rule_is_adjusted_too() -> None:
    table, before = world()
    plain, sharp = (
        read_out(trial(rule="group-sequential", looks=(0.5, 1.0)), table, now=1e9, catalogue=TWO, before=one)
        .of("spend_per_user")[0].effect
        for one in (None, before)
    )  # fmt: skip
    assert sharp.method == "group sequential"
    assert sharp.high - sharp.low < 0.8 * (plain.high - plain.low)


def test_caps_hold_for_both_arms_with_the_uncapped_effect_beside_and_as_in_the_analysis_of_own_data() -> None:
    table, _ = world()
    whale = table.with_columns(spend=pl.when(pl.col("user") == "u1").then(5000.0).otherwise("spend"))
    test = trial(rule="fixed", winsorise={"spend_per_user": 0.99}, covariate_days=0.0)
    readout = read_out(test, whale, now=1e6, catalogue=TWO)
    (detail,) = readout.details
    assert detail.cap == pytest.approx(np.quantile(whale["spend"], 0.99, method="inverted_cdf"))
    assert detail.uncapped.estimate > 5 > readout.comparisons[0].effect.estimate
    assert [one.sentence for one in readout.checks if one.name == "influence"] == [
        "No handful of users decides about spend per user."
    ]
    elsewhere = analyze(
        whale,
        plan=AnalysisPlan.parse(
            {"variants": {"a": {"control": True}, "b": {}}, "primary": "spend", "rule": "fixed", "planned_users": 1200,
             "metrics": {"spend": {"winsorise": 0.99, "negative": True}}}
        ),
    )  # fmt: skip
    assert elsewhere.readout.comparisons[0].fixed.low == pytest.approx(readout.comparisons[0].fixed.low)
    assert elsewhere.details[0].uncapped.low == pytest.approx(detail.uncapped.low)


def test_a_share_that_few_users_have_is_compared_by_the_score_interval() -> None:
    t, c = Moments.of_share(12, 3000), Moments.of_share(4, 3000)
    assert once(t, c, 0.05) == miettinen_nurminen(t, c)
    many = Moments.of_share(400, 3000), Moments.of_share(350, 3000)
    assert once(*many, 0.05) == welch(*many)
    few = Moments.of([0.0, 2.0, 0.0]), Moments.of([0.0, 1.0, 3.0])
    assert once(*few, 0.05) == welch(*few)
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {"variant": ["a", "b"] * 500, "user": [f"u{i}" for i in range(1000)], "buyer": (rng.random(1000) < 0.02) * 1}
    )
    test = Experiment(name="t", variants=AB, primary="purchase_rate", planned_users=1000, rule="fixed")
    found = read_out(test, table, now=0.0, catalogue={"purchase_rate": OUTCOMES["purchase_rate"]}).comparisons[0]
    assert (found.effect.method, found.sequential.method) == ("Miettinen-Nurminen", "always valid")


def test_beliefs_stand_beside_and_decide_nothing() -> None:
    table, _ = world()
    readout = read_out(trial(covariate_days=0.0), table, now=1e6, catalogue=TWO)
    arms = {name: Normal.of(Moments.of(table.filter(variant=name)["spend"].to_numpy()), prior=None) for name in AB}
    expected = beliefs(arms, 0.05)
    told = {one.variant: one for one in readout.beliefs if one.metric == "spend_per_user"}
    assert {name: (one.best, one.loss) for name, one in told.items()} == {
        name: pytest.approx((one.best, one.loss)) for name, one in expected.items()
    }
    assert readout.to_dict()["beliefs"][0]["best"] == told["a"].best
    verdict = decide(trial(covariate_days=0.0), readout)
    assert any("chance to be the best" in fact for fact in verdict.facts)


def test_what_does_not_go_together_is_told() -> None:
    with pytest.raises(SettingError, match=r"winsorise spend_per_user is 1.5; a quantile of at least 0.5"):
        trial(winsorise={"spend_per_user": 1.5})
    with pytest.raises(SettingError, match="there is no metric 'spend'"):
        Experiment.parse({**trial().to_dict(), "winsorise": {"spend": 0.9}})
    with pytest.raises(SettingError, match=r"covariate_days is -1.*; 0 to 366"):
        trial(covariate_days=-1.0)
    with pytest.raises(SettingError, match="covariate_days goes with unit = 'user'"):
        trial(unit="request")


def test_history_ends_at_the_first_slate_and_counts_earlier_slates() -> None:
    firsts = pl.DataFrame({"user": ["ann", "bob", "cid"], "first": [1000.0, 1000.0, 1000.0]})
    decisions = pl.DataFrame(
        {"id": ["d1", "d2"], "user": ["ann", "ann"], "variant": ["", "b"], "time": [900.0, 1000.0],
         "items": [["x"], ["x"]], "latency": [0.1, 0.1], "fallback": ["", ""]}
    )  # fmt: skip
    events = pl.DataFrame(
        {"user": ["ann", "ann", "bob", "bob"], "item": ["x", "x", "y", "z"],
         "kind": ["click", "click", "purchase", "rating"], "value": [None, None, 7.0, 4.0],
         "time": [950.0, 1001.0, 10.0, 999.0], "decision": ["d1", "d2", None, None]}
    )  # fmt: skip
    found = before_table(firsts, decisions, events, days=1)
    columns = ("user", "clicks", "slates", "clicked_slates", "spend", "ratings")
    assert found.select(columns).rows() == [("ann", 1, 1, 1, 0.0, 0), ("bob", 0, None, None, 7.0, 1)]
    short = before_table(firsts, decisions, events, days=100 / 86400)
    assert short.select("user", "purchases", "ratings").rows() == [("ann", 0, 0), ("bob", 0, 1)]
    with pytest.raises(DataError, match="a user has two first slates"):
        before_table(pl.concat([firsts, firsts]), decisions, events, days=1)
