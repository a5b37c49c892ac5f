"""The rule, branch by branch, and the sentences that a product owner reads."""

import json
import math

import numpy as np
import polars as pl
import pytest

from recloop.experiments import Experiment, Guardrail, LogEntry, Outlook, Variant, Verdict, act, decide, read_out
from recloop.metrics.online import OUTCOMES
from recloop.stats import detectable_change
from recloop.stats.skewness import skewness, users_needed

VARIANTS = {
    "random": Variant(policy="random", control=True),
    "popular": Variant(policy="popular", control=True),
    "blend": Variant(policy="blend"),
}


def users(seed: int = 0, per_arm: int = 1000, stars: dict[str, float] | None = None, **clicks: float) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for name, chance in clicks.items():
        slates = rng.poisson(3, per_arm) + 1
        rated = rng.binomial(1, 0.5, per_arm)
        mean = (stars or {}).get(name, 4.0)
        parts.append(
            pl.DataFrame(
                {
                    "variant": [name] * per_arm,
                    "user": [f"{name}{i}" for i in range(per_arm)],
                    "first": np.sort(rng.uniform(0, 86400, per_arm)),
                    "slates": slates,
                    "clicked_slates": rng.binomial(slates, chance),
                    "ratings": rated,
                    "rating_sum": rated * rng.normal(mean, 1, per_arm),
                }
            )
        )
    return pl.concat(parts)


def verdict(table: pl.DataFrame, stopped: bool = False, **settings: object) -> Verdict:
    given = {"name": "home", "variants": VARIANTS, "planned_users": table.height, **settings}
    test = Experiment(**given)
    return decide(test, read_out(test, table, now=86400.0), stopped=stopped)


def test_ship_needs_every_control() -> None:
    found = verdict(users(random=0.10, popular=0.20, blend=0.30))
    assert (found.verdict, found.treatment) == ("ship", "blend")
    assert found.sentence.startswith("Ship blend. Its click rate is 29.0%, against 9.7% under random (+199%, between")
    assert " and 21.1% under popular (+37.6%, between +24.9% and +51.9%)." in found.sentence
    assert "Intervals at 95%, valid at every look." in found.facts
    assert "3,000 users: random 1,000, popular 1,000 and blend 1,000." in found.facts


def test_better_than_one_control_only() -> None:
    found = verdict(users(random=0.10, popular=0.30, blend=0.30))
    assert found.verdict == "inconclusive"
    assert "That it is better than popular is not beyond doubt." in found.sentence


def test_worse_than_one_control_rolls_back() -> None:
    found = verdict(users(random=0.10, popular=0.40, blend=0.30))
    assert (found.verdict, found.treatment) == ("roll_back", "blend")
    assert "Roll back blend. Its click rate is 29.0%, against 41.2% under popular (-29.7%, between" in found.sentence


def test_harm_ends_it_before_the_planned_size_under_either_rule() -> None:
    table = users(random=0.10, popular=0.40, blend=0.30)
    for rule in ("fixed", "sequential"):
        assert verdict(table, rule=rule, planned_users=9000).verdict == "roll_back"


def test_a_win_ends_it_early_under_the_sequential_rule_only() -> None:
    table = users(random=0.10, popular=0.20, blend=0.30)
    assert verdict(table, planned_users=9000).verdict == "ship"
    early = verdict(table, rule="fixed", planned_users=9000)
    assert early.verdict == "keep_running"
    assert "3,000 of 9,000 planned users are in; at this pace about 2 days to go." in early.sentence


def test_too_few_users() -> None:
    found = verdict(users(random=0.1, popular=0.2, blend=0.9, per_arm=50), planned_users=5000)
    assert found.verdict == "keep_running"
    assert "blend has 50 users, and each variant needs 100." in found.sentence


def test_stopped_without_an_answer() -> None:
    table = users(random=0.2, popular=0.2, blend=0.2)
    assert verdict(table, planned_users=9000).verdict == "keep_running"
    assert verdict(table, planned_users=9000, stopped=True).verdict == "inconclusive"


def test_guardrails() -> None:
    rail = (Guardrail(metric="satisfaction", margin=0.05),)
    clicks = {"random": 0.1, "popular": 0.2, "blend": 0.3}
    held = verdict(users(**clicks), guardrails=rail)
    assert held.verdict == "ship"
    assert held.sentence.endswith("The guardrails held: satisfaction.")
    breached = verdict(users(**clicks, stars={"blend": 3.2}), guardrails=rail)
    assert breached.verdict == "roll_back"
    assert (
        "It breaks the guardrail on satisfaction (at most 5.0% worse): 3.23, against 3.97 under random"
        in breached.sentence
    )
    unclear = verdict(users(**clicks, stars={"blend": 3.8}), guardrails=rail)
    assert unclear.verdict == "inconclusive"
    assert (
        "The guardrail on satisfaction (at most 5.0% worse) is open: 3.83, against 3.97 under random"
        in unclear.sentence
    )
    named = (Guardrail(metric="satisfaction", margin=0.05, against="popular"),)
    one_sided = verdict(users(**clicks, stars={"random": 5.0}), guardrails=named)
    assert one_sided.verdict == "ship"


def test_a_guardrail_that_was_not_measured_ships_nothing() -> None:
    table = users(random=0.1, popular=0.2, blend=0.3).drop("ratings", "rating_sum")
    found = verdict(table, guardrails=(Guardrail(metric="satisfaction"),))
    assert found.verdict == "inconclusive"
    assert "not measured: it needs ratings" in found.sentence


def test_a_guardrail_on_what_never_happens_holds() -> None:
    table = users(random=0.1, popular=0.2, blend=0.3).with_columns(fallbacks=0)
    assert verdict(table, guardrails=(Guardrail(metric="fallback_rate"),)).verdict == "ship"


def test_a_primary_metric_that_was_not_measured() -> None:
    found = verdict(users(random=0.1, popular=0.2, blend=0.3), primary="purchase_rate")
    assert found.verdict == "invalid"
    assert "Its primary metric, purchase rate, is not measured: it needs purchase events" in found.sentence


def test_lower_is_better() -> None:
    table = users(random=0.4, popular=0.3, blend=0.2).rename({"clicked_slates": "abandoned"})
    assert verdict(table, primary="abandonment").verdict == "ship"
    assert verdict(
        table.with_columns(abandoned=pl.col("slates") - pl.col("abandoned")), primary="abandonment"
    ).verdict == ("roll_back")


def test_the_best_of_several_treatments_ships_and_a_harmful_one_goes() -> None:
    variants = {**VARIANTS, "bold": Variant(policy="bold"), "bad": Variant(policy="bad")}
    clicks = {"random": 0.1, "popular": 0.2, "blend": 0.3, "bold": 0.35, "bad": 0.02}
    table = users(**clicks)
    assert verdict(table, variants=variants).treatment == "bold"
    weak = users(**{**clicks, "blend": 0.2, "bold": 0.2})
    found = verdict(weak, variants=variants)
    assert found.verdict == "inconclusive"
    assert "Take bad out. Its click rate is 2.2%, against" in found.sentence


@pytest.mark.parametrize("seed", range(3))
def test_the_same_data_give_the_same_verdict(seed: int) -> None:
    table = users(random=0.1, popular=0.2, blend=0.25, seed=seed)
    assert verdict(table) == verdict(table.sample(fraction=1.0, shuffle=True, seed=seed))


def test_the_log_says_who_and_on_what() -> None:
    test = Experiment(name="home", variants=VARIANTS, planned_users=3000)
    readout = read_out(test, users(random=0.1, popular=0.2, blend=0.3), now=86400.0)
    entry = LogEntry.of(readout, decide(test, readout), actor="ada").to_dict()
    assert (entry["actor"], entry["verdict"], entry["treatment"]) == ("ada", "ship", "blend")
    assert (entry["definition"], len(entry["data"])) == (test.fingerprint, 64)


def test_the_outlook_is_that_of_the_planned_size() -> None:
    """What the planned users can show, as ``stats.detectable_change`` says it from the variance so far."""
    table = users(random=0.2, popular=0.2, blend=0.2)
    settings = {"name": "home", "variants": VARIANTS, "planned_users": 9000}
    once, always = (
        decide(test, read_out(test, table, now=86400.0)).outlook
        for test in (Experiment(**settings, rule="fixed"), Experiment(**settings))
    )
    metric = OUTCOMES["slate_ctr"]
    hardest = max(
        detectable_change(
            (
                metric.moments(table.filter(variant="blend")).unit_variance
                + metric.moments(table.filter(variant=control)).unit_variance
            )
            / 2,
            6000,
        )
        for control in ("random", "popular")
    )
    assert (once.users_left, once.seconds_left) == (6000, pytest.approx(2 * 86400, rel=0.01))
    assert once.detectable == pytest.approx(hardest, rel=2e-3)
    # always-valid: 2.57 instead of 1.96 standard errors, plus 0.84 for the power
    assert always.detectable / once.detectable == pytest.approx((2.567 + 0.842) / (1.960 + 0.842), rel=1e-3)


def test_the_paragraph_holds_what_somebody_needs_who_reads_nothing_else() -> None:
    found = verdict(users(random=0.2, popular=0.2, blend=0.2), planned_users=9000)
    assert found.paragraph.startswith(found.sentence)
    assert "3,000 users took part (random 1,000, popular 1,000 and blend 1,000)." in found.paragraph
    assert "Intervals at 95%, valid at every look. All 4 checks on validity passed." in found.paragraph
    assert "6,000 users are still to come; then a change of click rate by 1.75" in found.paragraph
    assert found.paragraph.endswith("points is found with a chance of 80%.")


@pytest.mark.parametrize(
    ("outcome", "promote", "stop", "kind"),
    [
        ("ship", True, False, "promote"), ("ship", False, True, "none"), ("roll_back", True, True, "stop"),
        ("roll_back", True, False, "none"), ("keep_running", True, True, "none"), ("inconclusive", True, True, "none"),
        ("invalid", True, True, "none"),
    ],
)  # fmt: skip
def test_what_follows_without_a_person(outcome: str, promote: bool, stop: bool, kind: str) -> None:
    test = Experiment(name="home", variants=VARIANTS)
    found = act(test, Verdict(outcome, "Because.", (), "", Outlook(0, None, 0.1), "blend"), promote=promote, stop=stop)
    assert (found.kind, found.policy) == (kind, "blend" if kind == "promote" else "")
    assert found.reason


def test_a_line_of_the_log_comes_back_from_json() -> None:
    table = users(random=0.1, popular=0.2, blend=0.3)
    test = Experiment(name="home", variants=VARIANTS, planned_users=table.height)
    readout = read_out(test, table, now=5.0)
    found = decide(test, readout)
    entry = LogEntry.of(readout, found, "ada", act(test, found, promote=True, stop=True))
    assert LogEntry.parse(json.loads(json.dumps(entry.to_dict()))) == entry
    assert (entry.action, entry.reason, entry.users) == ("promote", found.sentence, 3000)
    few = read_out(test, table.head(2), now=5.0)
    assert math.isnan(LogEntry.parse(LogEntry.of(few, decide(test, few), "ada").to_dict()).p_value)


def test_a_skewed_metric_in_a_small_arm_waits_for_users() -> None:
    rng = np.random.default_rng(3)
    variant = np.repeat(["a", "b"], [3600, 400])
    spend = (rng.random(4000) < 0.05) * rng.lognormal(0.0, 1.0, 4000)
    table = pl.DataFrame({"variant": variant, "user": [f"u{n}" for n in range(4000)], "spend": spend})
    arms = {"a": Variant(policy="p", control=True, weight=0.9), "b": Variant(policy="q", weight=0.1)}
    plan = {"primary": "spend_per_user", "planned_users": 4000}
    small = Experiment(name="t", variants=arms, **plan)
    readout = read_out(small, table, now=0.0)
    (one,) = readout.of("spend_per_user")
    values = [table.filter(variant=name)["spend"].to_numpy() for name in ("b", "a")]
    assert one.users_needed == users_needed(skewness(*values), 400, 3600) > 400
    found = decide(small, readout)
    assert found.verdict == "keep_running"
    assert f"can be trusted once the smaller one has {one.users_needed:,} users" in found.sentence
    (check,) = (check for check in readout.checks if check.name == "skew")
    assert (check.level, check.sentence[:45]) == ("yellow", "Spend per user is skewed, and arms differ in ")
    assert decide(small, readout, stopped=True).verdict == "inconclusive"
    rail = Experiment(
        name="t", variants=arms, primary="orders_per_user", guardrails=(Guardrail(metric="spend_per_user"),)
    )
    (guardrail,) = read_out(rail, table, now=0.0).guardrails
    assert (guardrail.status, guardrail.reason[:50]) == (
        "unclear",
        "it is skewed, and arms differ in size, so the smal",
    )
    # capped it needs fewer, and arms of one size none
    assert read_out(
        Experiment(name="t", variants=arms, winsorise={"spend_per_user": 0.5}, **plan), table, now=0.0
    ).of("spend_per_user")[0].users_needed < one.users_needed  # fmt: skip
    even = table.with_columns(variant=pl.Series(["a", "b"] * 2000))
    equal = {name: Variant(policy=name, control=name == "a") for name in arms}
    readout = read_out(Experiment(name="t", variants=equal, **plan), even, now=0.0)
    assert readout.of("spend_per_user")[0].users_needed == 0
    assert "skew" not in {check.name for check in readout.checks}
