"""How an effect came about: few users, a fading novelty, treated users who touch the others, a mix that differs."""

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError
from recloop.experiments import Experiment, Variant, read_out
from recloop.experiments.arms import Arms
from recloop.experiments.checks import drift, influence, interference, novelty, novelty_check, outliers, simpson, within
from recloop.experiments.segments import Cells
from recloop.metrics.online import OUTCOMES
from recloop.stats import Moments

AB = Experiment(
    name="t", variants={"a": Variant(policy="popular", control=True), "b": Variant(policy="blend")}, planned_users=4000
)
CLICKS, MONEY = OUTCOMES["slate_ctr"], OUTCOMES["revenue_per_user"]


def people(users: int = 4000, seed: int = 0, a: float = 0.2, b: float = 0.2) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    slates = rng.poisson(3, users) + 1
    variant = rng.permutation(np.repeat(["a", "b"], users // 2))
    return pl.DataFrame(
        {
            "variant": variant,
            "user": [f"u{i}" for i in range(users)],
            "first": np.arange(users) * 60.0,
            "slates": slates,
            "clicked_slates": rng.binomial(slates, np.where(variant == "b", b, a)),
            "revenue": rng.exponential(10, users),
        }
    )


# ---- few users


@pytest.mark.parametrize("metric", [CLICKS, MONEY], ids=lambda one: one.id)
def test_leaving_one_out_is_exact(metric: object) -> None:
    table = people(60)
    found = influence(Arms.of(table, [metric]), metric.id, "b", "a")
    effects = {}
    for user in table["user"]:
        rest = Arms.of(table.filter(pl.col("user") != user), [metric])
        effects[user] = rest.value(metric.id, "b") - rest.value(metric.id, "a")
    worst = max(effects, key=lambda user: abs(effects[user] - found.estimate))
    assert found.user == worst
    assert found.moved == pytest.approx(effects[worst] - found.estimate)


def test_a_reseller_is_named() -> None:
    table = people()
    whale = table.with_columns(revenue=pl.when(user="u7").then(30_000.0).otherwise("revenue"))
    arms = Arms.of(whale, [MONEY])
    found = influence(arms, MONEY.id, "b", "a")
    assert (found.user, found.top) == ("u7", 4)
    top = whale.filter(pl.col("revenue") <= found.above)
    assert found.without_top == pytest.approx(
        top.filter(variant="b")["revenue"].mean() - top.filter(variant="a")["revenue"].mean()
    )
    said = outliers(arms, MONEY.id, AB.pairs)
    assert said.level == "yellow"
    assert said.sentence.startswith("User u7 alone moves the revenue per user of b against a by 1.0 standard errors (")
    assert said.sentence.endswith("Look for bots, and read it capped, too.")
    assert outliers(Arms.of(table, [MONEY]), MONEY.id, AB.pairs).level == "green"


def test_a_share_has_no_top_users() -> None:
    table = people().with_columns(buyer=(pl.col("revenue") > 10).cast(pl.Int64))
    found = influence(Arms.of(table, [OUTCOMES["purchase_rate"]]), "purchase_rate", "b", "a")
    assert (found.top, found.without_top) == (0, pytest.approx(found.estimate))


# ---- novelty


def by_day(
    fade: float, users: int = 600, days: int = 8, seed: int = 0, own: float = 0.0, lift: float = 0.15
) -> pl.DataFrame:
    """Users who come every day with a chance of 0.7; the lift of b loses ``fade`` a day; users differ by ``own``."""
    rng = np.random.default_rng(seed)
    user, day = np.divmod(np.arange(users * days), days)
    treated = user % 2
    chance = np.clip(0.3 + rng.normal(0, own, users)[user] + treated * (lift - fade * day), 0, 1)
    slates = rng.poisson(2, user.size) + 1
    frame = pl.DataFrame(
        {
            "variant": np.where(treated, "b", "a"),
            "user": user.astype(str),
            "day": day,
            "slates": slates,
            "clicked_slates": rng.binomial(slates, chance),
        }
    )
    return frame.filter(rng.random(user.size) < 0.7)


def test_a_fading_effect_is_found() -> None:
    found = novelty(by_day(fade=0.02), CLICKS, "b", "a")
    assert found.days == tuple(range(8))
    assert found.low < -0.02 < found.high < 0
    assert found.end == pytest.approx(found.start + 7 * found.slope)
    said = novelty_check(by_day(fade=0.02), CLICKS, AB.pairs)
    assert said.level == "yellow"
    assert said.sentence.startswith("The effect on click rate of b against a fades: +1")
    assert "points on day 7 (slope p" in said.sentence


def test_the_line_is_that_of_weighted_least_squares() -> None:
    daily = by_day(fade=0.01)
    found = novelty(daily, CLICKS, "b", "a")
    variance = []
    for day in found.days:
        sides = [CLICKS.moments(daily.filter(variant=name, day=day)) for name in "ba"]
        # the sums of squares are around the ratio, divisor n: within 1/n of the moments'
        variance.append(sum(side.unit_variance / side.n for side in sides))
    slope, start = np.polyfit(found.days, found.effects, 1, w=1 / np.sqrt(variance))
    assert (found.slope, found.start) == (pytest.approx(slope, rel=1e-3), pytest.approx(start, rel=1e-3))


def test_slopes_of_constant_effects_cover_zero_though_users_come_back() -> None:
    """Users differ much from each other (own), so that days are far from independent."""
    runs = 150
    wrong = sum(
        novelty(by_day(fade=0.0, users=200, seed=seed, own=0.15), CLICKS, "b", "a").p_value < 0.05
        for seed in range(runs)
    )
    assert abs(wrong / runs - 0.05) < 3 * np.sqrt(0.05 * 0.95 / runs)


def test_novelty_needs_days() -> None:
    with pytest.raises(DataError, match=r"no column 'day'. make it with user_table\(..., daily=True\)"):
        novelty(people(), CLICKS, "b", "a")
    assert novelty(by_day(0.0, days=1), CLICKS, "b", "a") is None
    assert novelty_check(by_day(0.0, users=40), CLICKS, AB.pairs).sentence.startswith("Too few users came back")
    daily = by_day(fade=0.02)
    table = daily.group_by("variant", "user").agg(pl.col("slates", "clicked_slates").sum())
    names = {check.name: check.level for check in read_out(AB, table, now=0.0, daily=daily).checks}
    assert names["novelty"] == "yellow"


# ---- interference


def ramp(touch: float, users: int = 6000, seed: int = 0) -> pl.DataFrame:
    """Five steps of treated share; a control user clicks ``touch`` times the share more."""
    rng = np.random.default_rng(seed)
    share = np.repeat([0.05, 0.5, 0.1, 0.6, 0.3], users // 5)
    treated = rng.random(users) < share
    chance = np.where(treated, 0.3, 0.3 + touch * share)
    return pl.DataFrame(
        {
            "variant": np.where(treated, "b", "a"),
            "user": [f"u{i}" for i in range(users)],
            "first": np.arange(users) * 60.0,
            "slates": np.full(users, 4),
            "clicked_slates": rng.binomial(4, chance),
        }
    )


def test_a_control_that_moves_with_the_treated_share() -> None:
    found = drift(ramp(touch=-0.2), CLICKS, "a", ["b"])
    assert found.slope == pytest.approx(-0.2, abs=0.06)
    said = interference(AB, ramp(touch=-0.2), CLICKS)
    assert said.level == "yellow"
    assert "The click rate under a moved by -" in said.sentence
    assert said.sentence.endswith("a hint, no proof.")
    assert interference(AB, ramp(touch=0.0), CLICKS).level == "green"


def test_a_constant_share_shows_nothing() -> None:
    assert drift(people(), CLICKS, "a", ["b"]) is None
    assert "cannot show whether treated users touch" in interference(AB, people(), CLICKS).sentence


def test_drift_raises_few_false_alarms() -> None:
    runs = 150
    wrong = sum(drift(ramp(0.0, users=1500, seed=seed), CLICKS, "a", ["b"]).p_value < 0.05 for seed in range(runs))
    assert abs(wrong / runs - 0.05) < 3 * np.sqrt(0.05 * 0.95 / runs)


# ---- Simpson


def test_kidney_stones() -> None:
    """C. R. Charig and others, BMJ 292 (1986): surgery is better for small and for large stones, worse over all.

    Open surgery healed 81 of 87 small and 192 of 263 large stones; nephrolithotomy 234 of 270 and 55 of 80.
    """

    def healed(yes: int, of: int) -> Moments:
        return Moments.of(np.repeat([1.0, 0.0], [yes, of - yes]))

    stones = {"small": (healed(81, 87), healed(234, 270)), "large": (healed(192, 263), healed(55, 80))}
    found = within(stones)
    assert found.overall.value == pytest.approx(273 / 350 - 289 / 350)
    by_hand = 357 / 700 * (81 / 87 - 234 / 270) + 343 / 700 * (192 / 263 - 55 / 80)
    assert found.within.value == pytest.approx(by_hand)
    assert found.overall.value < 0 < found.within.value


def test_a_mix_that_turns_the_sign_hides_the_results() -> None:
    """b is better in each country, and got nearly all of the users of the one where few click."""
    rng = np.random.default_rng(0)
    users = 4000
    variant = np.repeat(["a", "b"], users // 2)
    poor = rng.random(users) < np.where(variant == "b", 0.8, 0.2)
    table = pl.DataFrame(
        {
            "variant": variant,
            "user": [f"u{i}" for i in range(users)],
            "country": np.where(poor, "DE", "US"),
            "slates": np.full(users, 5),
            "clicked_slates": rng.binomial(5, np.where(poor, 0.1, 0.4) + 0.05 * (variant == "b")),
        }
    )
    cells = Cells.read(Arms.of(table, [CLICKS]), ["country"], ["slate_ctr"])
    found = simpson(cells, CLICKS, AB.pairs)
    assert found.level == "red"
    assert found.sentence.startswith("The click rate of b against a differs by -1")
    assert "and by +" in found.sentence
    even = table.with_columns(country=pl.Series(rng.choice(["DE", "US"], users)))
    assert simpson(Cells.read(Arms.of(even, [CLICKS]), ["country"], ["slate_ctr"]), CLICKS, AB.pairs).level == "green"
    readout = read_out(AB, table, now=0.0, segment_columns=["country"])
    assert readout.comparisons == ()
