"""The group-sequential rule over a live experiment: looks are at planned users, and only looks decide."""

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, SettingError
from recloop.experiments import Experiment, Guardrail, Variant, decide, read_out
from recloop.experiments.look import reached, users_at_looks
from recloop.experiments.planned_looks import planned_design, spending_named
from recloop.experiments.sizing import Design
from recloop.metrics.online import OUTCOMES
from recloop.stats import GroupSequential, Moments, hwang_shih_decani_spending, obrien_fleming_spending

AB = {"a": Variant(policy="popular", control=True), "b": Variant(policy="blend")}
ONE = {"spend_per_user": OUTCOMES["spend_per_user"]}


def trial(**settings: object) -> Experiment:
    given = {"planned_users": 1000, "primary": "spend_per_user", "minimum_users": 2, "window": 60.0, "variants": AB}
    return Experiment(name="t", rule="group-sequential", **{**given, **settings})


def table(seed: int, users: int, lift: float = 0.0, names: tuple[str, ...] = ("a", "b")) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    variant = rng.choice(names, users)
    spend = rng.gamma(2.0, 1.0, users) + lift * (variant != "a")
    return pl.DataFrame(
        {"variant": variant, "user": [f"u{i}" for i in range(users)], "first": np.arange(users) * 1.0, "spend": spend}
    )


def test_looks_are_at_the_first_users_and_what_came_since_changes_nothing() -> None:
    test, later = trial(looks=(0.3, 0.6, 1.0)), table(0, 900, lift=0.1)
    all_ = later.head(800)
    assert users_at_looks(test) == (300, 600, 1000)
    readout = read_out(test, all_, now=1e6, catalogue=ONE)
    assert (readout.basis, readout.look.number, readout.look.users, readout.look.next_users) == (
        "group sequential", 2, 600, 1000,
    )  # fmt: skip
    first = all_.head(600)
    t, c = (Moments.of(first.filter(variant=name)["spend"].to_numpy()) for name in ("b", "a"))
    expected = GroupSequential.spend([0.3, 0.6, 1.0]).effect(t, c, 1)
    (found,) = readout.of("spend_per_user")
    assert found.effect == expected
    assert found.sequential.control == pytest.approx(all_.filter(variant="a")["spend"].mean())
    shuffled = read_out(test, later.sample(fraction=1.0, shuffle=True, seed=1), now=1e6, catalogue=ONE)
    assert shuffled.of("spend_per_user")[0].effect.low == pytest.approx(expected.low, rel=1e-12)


def test_the_table_of_the_look_takes_the_place_of_what_is_known_now() -> None:
    now = table(0, 800)
    then = now.with_columns(pl.col("spend") + pl.when(pl.col("variant") == "b").then(2.0).otherwise(0.0))
    found = read_out(trial(looks=(0.5, 1.0)), now, now=1e6, catalogue=ONE, at_look=then).comparisons[0]
    assert found.effect.estimate > 1.5 > abs(found.sequential.estimate)


def test_a_look_waits_for_the_window_of_its_last_user() -> None:
    test, users = trial(looks=(0.5, 1.0)), table(0, 600)
    assert reached(test, users, now=499.0 + 59) is None
    assert reached(test, users, now=499.0 + 60).number == 1
    with pytest.raises(DataError, match=r"has no column 'first'.*users who came first"):
        reached(test, users.drop("first"), now=0.0)


def test_before_the_first_look_it_keeps_running_whatever_is_seen() -> None:
    readout = read_out(trial(looks=(0.5, 1.0)), table(1, 400, lift=5.0), now=1e6, catalogue=ONE)
    verdict = decide(trial(looks=(0.5, 1.0)), readout)
    assert (readout.look, readout.basis, verdict.verdict) == (None, "always valid", "keep_running")
    assert verdict.sentence.startswith(
        "Keep running. The first planned look is at 500 users. 400 of 1,000 planned users are in"
    )
    stopped = decide(trial(looks=(0.5, 1.0)), readout, stopped=True)
    assert (stopped.verdict, stopped.sentence) == (
        "inconclusive", "No clear answer. The first planned look is at 500 users, and it was stopped before.",
    )  # fmt: skip


def test_a_look_beyond_the_boundary_ships_or_rolls_back_and_one_inside_goes_on() -> None:
    test = trial()
    for lift, expected in ((1.0, "ship"), (-1.0, "roll_back"), (0.0, "keep_running")):
        verdict = decide(test, read_out(test, table(2, 450, lift=lift), now=1e6, catalogue=ONE))
        assert verdict.verdict == expected
    assert "of planned look 2 of 5, over the 400 users who came first" in verdict.paragraph
    assert "the next planned look is at 600" in verdict.sentence
    assert decide(test, read_out(test, table(2, 1000), now=1e6, catalogue=ONE)).verdict == "inconclusive"


def test_guardrails_are_judged_at_the_look() -> None:
    rails = (Guardrail(metric="spend_per_user", margin=0.1, scale="relative"),)
    test = trial(guardrails=rails)
    (found,) = read_out(test, table(2, 450, lift=-1.5), now=1e6, catalogue=ONE).guardrails
    assert (found.status, found.effect.method) == ("breached", "group sequential")


def test_several_pairs_share_alpha_in_the_boundaries() -> None:
    test = trial(variants={**AB, "c": Variant(policy="other")})
    found = read_out(test, table(3, 1000, names=("a", "b", "c")), now=1e6, catalogue=ONE)
    assert {one.effect.alpha for one in found.of("spend_per_user")} == {0.025}
    assert "Intervals at 97.5% over all looks, of planned look 5 of 5" in decide(test, found).paragraph


@pytest.mark.parametrize(
    ("worlds", "looks"), [(60, (0.5, 1.0)), pytest.param(400, (0.25, 0.5, 0.75, 1.0), marks=pytest.mark.slow)]
)
def test_the_error_rate_of_deciding_at_every_look_is_alpha(worlds: int, looks: tuple[float, ...]) -> None:
    """Two-sided: over A/A worlds, somebody ships or rolls back in a share alpha of them, whatever the look."""
    test, false = trial(planned_users=400, alpha=0.2, looks=looks), 0
    for seed in range(worlds):
        users = table(1000 + seed, 400)
        verdicts = (
            decide(test, read_out(test, users.head(count), now=1e6, catalogue=ONE)).verdict
            for count in users_at_looks(test)
        )
        false += any(one in {"ship", "roll_back"} for one in verdicts)
    assert 0.2 - 3.3 * np.sqrt(0.16 / worlds) < false / worlds < 0.2 + 3.3 * np.sqrt(0.16 / worlds)


def test_spending_by_name() -> None:
    share = np.array([0.3, 1.0])
    for name, function in (
        ("obrien-fleming", obrien_fleming_spending),
        ("hwang-shih-decani -4", hwang_shih_decani_spending(-4)),
    ):
        assert spending_named(name)(share, 0.05).tolist() == function(share, 0.05).tolist()
    with pytest.raises(SettingError, match=r"spending is 'pococks'. Did you mean 'pocock'"):
        trial(spending="pococks")
    with pytest.raises(SettingError, match=r"spending is 'power'; 'power' with a number, such as 'power 3'"):
        trial(spending="power")
    for looks in ((), (0.5,), (0.5, 0.5, 1.0), (0.0, 1.0), (0.5, 1.0, 2.0)):
        with pytest.raises(SettingError, match="rising shares of the planned users, the last one 1"):
            trial(looks=looks)
    with pytest.raises(SettingError, match=r"rule = 'group-sequential' goes with unit = 'user'"):
        trial(unit="session")


def test_the_plan_of_users_takes_the_looks_of_the_definition() -> None:
    design = Design.of(trial(looks=(0.5, 1.0), spending="pocock"))
    assert design.inflation == planned_design((0.5, 1.0), "pocock", 0.05).inflation(0.8)
    assert Design(rule="group-sequential", looks=2).looks_at == (0.5, 1.0)


def test_below_the_futility_bound_it_is_advised_to_stop() -> None:
    plan = {"looks": (0.5, 1.0), "futility": "hwang-shih-decani -2"}
    worse, planned = table(2, 500, lift=-0.1), trial(**plan)
    verdict = decide(planned, read_out(planned, worse, now=1e6, catalogue=ONE))
    assert verdict.verdict == "inconclusive"
    assert verdict.sentence.startswith(
        "No clear answer, and none to be expected. Planned look 1 of 2 is below its futility bound: were there a change by"
    )
    assert "which the plan finds with a chance of 80%" in verdict.sentence
    assert decide(
        trial(looks=(0.5, 1.0)), read_out(trial(looks=(0.5, 1.0)), worse, now=1e6, catalogue=ONE)
    ).verdict == ("keep_running")
    hopeful = table(2, 500, lift=0.12)
    (found,) = read_out(planned, hopeful, now=1e6, catalogue=ONE).of("spend_per_user")
    z = found.effect.estimate / (found.effect.high - found.effect.estimate) * 2.9626
    assert 0.4 < z < 2.96
    assert not found.futile
    assert decide(planned, read_out(planned, hopeful, now=1e6, catalogue=ONE)).verdict == "keep_running"
    # at the last look nothing is futile: it ends anyway
    assert not any(
        one.futile for one in read_out(planned, table(2, 1000, lift=-0.1), now=1e6, catalogue=ONE).comparisons
    )


def test_one_treatment_that_may_still_win_keeps_all_running() -> None:
    test = trial(looks=(0.5, 1.0), futility="pocock", variants={**AB, "c": Variant(policy="other")}, planned_users=3000)
    users = table(5, 1500, names=("a", "b", "c"))
    users = users.with_columns(
        spend=pl.col("spend") + 0.3 * (pl.col("variant") == "c") - 0.1 * (pl.col("variant") == "b")
    )
    readout = read_out(test, users, now=1e6, catalogue=ONE)
    assert {one.treatment: one.futile for one in readout.of("spend_per_user")} == {"b": True, "c": False}
    assert decide(test, readout).verdict == "keep_running"


def test_futility_settings_are_checked() -> None:
    with pytest.raises(SettingError, match=r"futility is set, and no looks are planned; .*add rule"):
        Experiment(name="t", variants=AB, futility="pocock")
    with pytest.raises(SettingError, match=r"spending is 'pococks'. Did you mean 'pocock'"):
        trial(futility="pococks")
    with pytest.raises(SettingError, match=r"power is 0.3; it lies between 0.5 and 1"):
        trial(power=0.3)
    assert Design.of(trial(futility="pocock")).inflation > Design.of(trial()).inflation
