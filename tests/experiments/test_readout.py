"""Readouts of two real experiments against published figures, and of made ones against what was put in."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, SettingError
from recloop.experiments import Experiment, Variant, decide, read_out
from recloop.experiments.fingerprint import fingerprint
from recloop.metrics.online import OutcomeMetric
from recloop.stats import welch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "experiments.md"
AB = {"a": Variant(policy="popular", control=True), "b": Variant(policy="blend")}


def own(id_: str, **settings: object) -> OutcomeMetric:
    return OutcomeMetric(id=id_, title=id_, formula=id_, unit="", needs=id_, numerator=id_, **settings)


def table(seed: int = 0, a: float = 0.2, b: float = 0.3, users: int = 2000) -> pl.DataFrame:
    """Users of two variants, several slates each, each slate clicked with the arm's chance."""
    rng = np.random.default_rng(seed)
    slates = rng.poisson(3, users) + 1
    variant = rng.permutation(np.repeat(["a", "b"], users // 2))
    clicked = rng.binomial(slates, np.where(variant == "b", b, a))
    return pl.DataFrame(
        {"variant": variant, "user": [f"u{i}" for i in range(users)], "first": np.arange(users) * 60.0,
         "slates": slates, "clicked_slates": clicked}
    )  # fmt: skip


@pytest.mark.data
def test_a_games_gate(data_dir: Path) -> None:
    """Cookie Cats: gate at level 40 minus level 30; the figures of the data set's usual readouts."""
    game = pl.read_csv(data_dir / "abtests" / "cookie_cats" / "cookie_cats.csv")
    users = game.rename({"version": "variant", "userid": "user"})
    catalogue = {m.id: m for m in (own("retention_7", form="percent"), own("retention_1", form="percent"))}
    test = Experiment(
        name="gate",
        variants={"gate_30": Variant(policy="gate_30", control=True), "gate_40": Variant(policy="gate_40")},
        primary="retention_7",
        rule="fixed",
        planned_users=90_000,
    )
    readout = read_out(test, users, now=0.0, catalogue=catalogue)
    assert readout.users == {"gate_30": 44_700, "gate_40": 45_489}
    assert readout.split.p_value == pytest.approx(0.0086, abs=5e-5)
    assert readout.basis == "fixed"
    week, day = (readout.of(metric)[0].fixed for metric in ("retention_7", "retention_1"))
    assert (week.estimate, week.p_value) == (pytest.approx(-0.0082, abs=5e-5), pytest.approx(0.0016, abs=5e-5))
    assert (day.estimate, day.p_value) == (pytest.approx(-0.0059, abs=5e-5), pytest.approx(0.074, abs=5e-4))
    verdict = decide(test, readout)
    assert verdict.verdict == "roll_back"
    assert verdict.sentence == (
        "Roll back gate_40. Its retention_7 is 18.2%, against 19.0% under gate_30 (-4.3%, between -6.9% and -1.7%)."
    )


@pytest.mark.data
def test_an_email_campaign(data_dir: Path) -> None:
    """Hillstrom: men's and women's e-mail against none, on visit, conversion and spend."""
    mails = pl.read_csv(data_dir / "abtests" / "hillstrom" / "hillstrom.csv", infer_schema_length=None)
    names = {"Mens E-Mail": "men", "Womens E-Mail": "women", "No E-Mail": "none"}
    users = mails.with_columns(variant=pl.col("segment").replace(names)).with_row_index("user")
    catalogue = {m.id: m for m in (own("visit"), own("conversion"), own("spend"))}
    test = Experiment(
        name="mail",
        variants={name: Variant(policy=name, control=name == "none") for name in names.values()},
        primary="visit",
        planned_users=64_000,
    )
    readout = read_out(test, users, now=0.0, catalogue=catalogue)
    published = {
        "men": {"visit": 0.0766, "conversion": 0.0068, "spend": 0.770},
        "women": {"visit": 0.0452, "conversion": 0.0031, "spend": 0.424},
    }
    for treatment, effects in published.items():
        for metric, effect in effects.items():
            (found,) = readout.of(metric, treatment)
            assert found.fixed.estimate == pytest.approx(effect, abs=5e-4 if metric == "spend" else 5e-5)
            assert found.sequential.low < found.fixed.low < found.fixed.high < found.sequential.high
    assert (decide(test, readout).verdict, decide(test, readout).treatment) == ("ship", "men")


def test_effects_are_those_of_the_statistics() -> None:
    users = table()
    readout = read_out(Experiment(name="t", variants=AB, planned_users=2000, rule="fixed"), users, now=0.0)
    (clicks,) = readout.of("slate_ctr")
    assert clicks.effect is clicks.fixed
    assert (clicks.fixed.low, clicks.fixed.high) > (0.07, 0.11)
    part = {name: users.filter(variant=name) for name in AB}
    values = {name: one["clicked_slates"].sum() / one["slates"].sum() for name, one in part.items()}
    assert clicks.fixed.estimate == pytest.approx(values["b"] - values["a"])
    means = read_out(
        Experiment(name="t", variants=AB, primary="clicked_slates"), users, now=0.0,
        catalogue={"clicked_slates": own("clicked_slates")},
    )  # fmt: skip
    plain = welch(*(own("clicked_slates").moments(part[name]) for name in ("b", "a")))
    assert means.comparisons[0].fixed == plain


def test_before_the_planned_size_the_fixed_rule_shows_only_the_always_valid_interval() -> None:
    readout = read_out(Experiment(name="t", variants=AB, planned_users=3000, rule="fixed"), table(), now=0.0)
    (clicks,) = readout.of("slate_ctr")
    assert (readout.basis, clicks.effect) == ("always valid", clicks.sequential)


def test_lift_over_time_ends_at_the_readout() -> None:
    readout = read_out(Experiment(name="t", variants=AB, planned_users=2000), table(), now=2000 * 60.0)
    (lift,) = readout.lifts
    now = readout.of("slate_ctr")[0].sequential
    assert lift.users[-1] == 2000
    assert lift.times[-1] == 1999 * 60.0
    assert (lift.estimate[-1], lift.low[-1], lift.high[-1]) == pytest.approx((now.estimate, now.low, now.high))
    assert (lift.relative[-1], lift.relative_low[-1]) == pytest.approx((now.relative, now.relative_low))
    assert sorted(lift.users) == list(lift.users)
    assert len(lift.users) == 60
    assert lift.high[0] - lift.low[0] > 3 * (lift.high[-1] - lift.low[-1])


def test_metrics_without_events_say_so() -> None:
    readout = read_out(Experiment(name="t", variants=AB), table(), now=0.0)
    (money,) = readout.of("revenue_per_user")
    assert money.effect is None
    assert money.reason == "not measured: it needs purchase events with a value, and there are none"
    assert math.isnan(next(v for v in readout.values if v.metric == "revenue_per_user").value)


def test_users_of_two_variants_are_left_out() -> None:
    users = table(users=1000)
    both = users.head(5).with_columns(variant=pl.when(variant="a").then(pl.lit("b")).otherwise(pl.lit("a")))
    readout = read_out(Experiment(name="t", variants=AB), pl.concat([users, both]), now=0.0)
    assert (readout.crossovers, readout.total_users) == (5, 995)
    assert [(check.name, check.level) for check in readout.checks][:2] == [
        ("crossover", "yellow"),
        ("traffic", "green"),
    ]
    assert "5 of 1,000 users (0.50%) were seen in two variants and are left out." in readout.checks[0].sentence


def test_many_crossovers_hide_everything() -> None:
    users = table(users=1000)
    readout = read_out(
        Experiment(name="t", variants=AB),
        pl.concat([users, users.filter(variant="a").head(60).with_columns(variant=pl.lit("b"))]),
        now=0.0,
    )
    assert "60 of 1,000 users (6.00%)" in readout.hidden
    assert (readout.values, readout.comparisons, readout.guardrails, readout.lifts) == ((), (), (), ())


def test_a_broken_split_hides_everything() -> None:
    users = table().filter((pl.col("variant") == "a") | (pl.col("first") % 240 != 0))
    readout = read_out(Experiment(name="t", variants=AB), users, now=0.0)
    assert readout.split.red
    assert readout.comparisons == ()
    assert "Traffic was not split as planned" in readout.hidden
    verdict = decide(Experiment(name="t", variants=AB), readout)
    assert verdict.verdict == "invalid"
    assert verdict.sentence.startswith("Do not read this experiment. Traffic was not split as planned: a 5")


def test_users_of_a_variant_that_is_off() -> None:
    variants = {**AB, "c": Variant(policy="c", weight=0.0)}
    stray = table(users=4).with_columns(variant=pl.lit("c"), user=pl.lit("x") + pl.col("user"))
    readout = read_out(Experiment(name="t", variants=variants), pl.concat([table(), stray]), now=0.0)
    assert "Users were shown variants that have no traffic: 'c' (4 users)." in readout.hidden


def test_json_holds_no_nan() -> None:
    readout = read_out(Experiment(name="t", variants=AB), table(users=4), now=5.0)
    text = json.dumps(readout.to_dict(), allow_nan=False)
    assert json.loads(text)["users"] == {"a": 2, "b": 2}
    assert json.loads(text)["metrics"]["slate_ctr"]["direction"] == "higher"


def test_no_users_at_all() -> None:
    test = Experiment(name="t", variants=AB)
    readout = read_out(test, table().clear(), now=0.0)
    assert readout.users == {"a": 0, "b": 0}
    assert decide(test, readout).verdict == "keep_running"


def test_fingerprint_hangs_on_values_only() -> None:
    users = table(users=50)
    assert fingerprint(users) == fingerprint(
        users.sample(fraction=1.0, shuffle=True, seed=1).select(users.columns[::-1])
    )
    changed = users.with_columns(clicked_slates=pl.when(user="u3").then(99).otherwise("clicked_slates"))
    assert fingerprint(users) != fingerprint(changed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("user"), "the user table has no column 'user'"),
        (lambda t: pl.concat([t, t.head(3)]), r"3 rows of the user table repeat a \(variant, user\); one row per user"),
        (lambda t: t.with_columns(clicked_slates=pl.lit("many")), "column 'clicked_slates' holds String"),
        (lambda t: t.with_columns(clicked_slates=math.inf), "NaN or infinite for 1,000 users"),
        (lambda t: t.with_columns(variant=None), "rows without variant or user"),
    ],
)
def test_bad_tables(change: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_out(Experiment(name="t", variants=AB), change(table()), now=0.0)


def test_unknown_metric() -> None:
    with pytest.raises(SettingError, match="no metric 'clicks'"):
        read_out(Experiment(name="t", variants=AB, primary="clicks"), table(), now=0.0)
