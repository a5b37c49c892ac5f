"""Whether the slates may be read at all: traffic split, duplicates, joins, clocks. Red hides every result."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
from scipy.special import chdtrc

from recloop.errors import MissingError, nearest
from recloop.experience.problems.coded import DAY, INTERVENTIONS, RESERVED, TEXT
from recloop.experience.problems.schema import HealthCheck, Light
from recloop.experience.problems.settings import Settings
from recloop.experiments.words import number_of, probability
from recloop.stats import holm, srm

DUPLICATES = (0.001, 0.05)  # shares that are yellow and red
JOINED = (0.9, 0.5)  # shares below which it is
STRAY = 0.01  # of the usual day's slates: a day below, at either end, is a clock that is wrong
GAP = 14  # days without slates that part a log
SPLIT = 0.001  # chance of a false alarm about how traffic was split


class Joins(NamedTuple):
    """Events that name a decision, and those of them whose decision is in the log and showed the item."""

    named: int
    joined: int


@dataclass(frozen=True, slots=True)
class Health:
    """The checks, and the slates that remain."""

    checks: tuple[HealthCheck, ...]
    slates: pl.DataFrame

    @property
    def red(self) -> tuple[HealthCheck, ...]:
        """What forbids to read on."""
        return tuple(one for one in self.checks if one.light == "red")


def health(slates: pl.DataFrame, settings: Settings, joins: Joins | None, now: float | None) -> Health:
    """Check the slates and leave out what cannot be counted.

    Raises:
        MissingError: a variant that is to be compared has no slates.
    """
    clock, slates = _clock(slates, now)
    twice, slates = _duplicates(slates)
    checks = [twice, clock]
    if joins is not None:
        checks.append(_joins(joins))
    if settings.treatment is not None and settings.control is not None:
        arms = [settings.treatment, settings.control]
        for name in arms:
            known = slates["variant"].unique().drop_nulls().to_list() if "variant" in slates.columns else []
            if name not in known:
                raise MissingError(f"variant '{name}' has no slates", advice=nearest(name, known))
        slates = slates.filter(pl.col("variant").is_in(arms))
        crossed, slates = _crossovers(slates)
        checks += [crossed, *_split(slates, settings, arms)]
    return Health(tuple(checks), slates)


def _light(share: float, marks: tuple[float, float]) -> Light:
    return "red" if share > marks[1] else "yellow" if share > marks[0] else "green"


def _duplicates(slates: pl.DataFrame) -> tuple[HealthCheck, pl.DataFrame]:
    name = next((column for column in ("decision", "id") if column in slates.columns), None)
    keys = [name] if name else ["user", "time", *(["variant"] if "variant" in slates.columns else [])]
    kept = slates.unique(keys, keep="first", maintain_order=True)
    lost = slates.height - kept.height
    share = lost / max(slates.height, 1)
    sentence = (
        f"{number_of('slate', lost)} of {slates.height:,} came before ({share:.2%}) and are left out."
        if lost
        else "No slate came twice."
    )
    return HealthCheck(name="duplicates", light=_light(share, DUPLICATES), sentence=sentence), kept


def _clock(slates: pl.DataFrame, now: float | None) -> tuple[HealthCheck, pl.DataFrame]:
    good = pl.col("time").is_finite() & pl.col("time").is_not_null()
    kept = slates.filter(good if now is None else good & (pl.col("time") <= now + 60))
    days = kept.group_by(day=(pl.col("time") / DAY).floor()).len().sort("day")
    if days.height > 2:
        usual = float(days["len"].quantile(0.75) or 0)
        busy = days.filter(pl.col("len") >= STRAY * usual)
        # one clock that is years ahead would stretch the log; of the stretches without a gap the largest is meant
        stretch = busy.with_columns(part=(pl.col("day").diff().fill_null(0) > GAP).cum_sum())
        sizes = stretch.group_by("part").agg(pl.col("len").sum(), low=pl.col("day").min(), high=pl.col("day").max())
        _, _, low, high = sizes.sort("len", "part", descending=[True, False]).row(0)
        kept = kept.filter((pl.col("time") / DAY).floor().is_between(low, high))
    lost = slates.height - kept.height
    share = lost / max(slates.height, 1)
    sentence = (
        f"{number_of('slate', lost)} ({share:.2%}) have no time, one in the future, or one far from all others; they "
        "are left out."
        if lost
        else "All times are usable."
    )
    return HealthCheck(name="clock", light=_light(share, DUPLICATES), sentence=sentence), kept


def _joins(joins: Joins) -> HealthCheck:
    share = joins.joined / joins.named if joins.named else math.nan
    if not joins.named:
        return HealthCheck(
            name="joins", light="green", sentence="No event names a decision; all are joined by user and item."
        )
    light: Light = "red" if share < JOINED[1] else "yellow" if share < JOINED[0] else "green"
    return HealthCheck(
        name="joins",
        light=light,
        sentence=f"{share:.1%} of {joins.named:,} events that name a decision were found on it.",
    )


def _crossovers(slates: pl.DataFrame) -> tuple[HealthCheck, pl.DataFrame]:
    both = slates.group_by("user").agg(n=pl.col("variant").n_unique()).filter(pl.col("n") > 1)
    users = slates["user"].n_unique()
    share = both.height / max(users, 1)
    kept = slates.join(both, on="user", how="anti", maintain_order="left") if both.height else slates
    sentence = (
        f"{number_of('user', both.height)} of {users:,} ({share:.2%}) were seen in both variants and are left out."
        if both.height
        else "No user was seen in both variants."
    )
    return HealthCheck(name="crossovers", light=_light(share, (0.001, 0.02)), sentence=sentence), kept


def _split(slates: pl.DataFrame, settings: Settings, arms: list[str]) -> list[HealthCheck]:
    """Users per arm, of all and of every value of every dimension; a user counts where it was seen first."""
    names = settings.dimensions or [n for n in slates.columns if slates[n].dtype in TEXT and n not in RESERVED]
    names = [n for n in names if n not in INTERVENTIONS and n in slates.columns]
    users = slates.sort("time").unique("user", keep="first", maintain_order=True)
    counts = {name: users.filter(variant=name).height for name in arms}
    weights = settings.weights and {name: settings.weights.get(name, 0.0) for name in arms}
    checks = []
    if weights:
        found = srm(counts, weights, SPLIT)
        light: Light = "red" if found.red else "yellow" if found.suspect else "green"
        checks.append(HealthCheck(name="traffic split", light=light, sentence=found.sentence))
    parts = []
    for name in names:
        each = users.group_by(value=pl.col(name).cast(pl.String).fill_null("")).agg(
            *(pl.col("variant").eq(arm).sum().alias(arm) for arm in arms)
        )
        for value, *seen in each.sort("value").head(settings.values).iter_rows():
            inside = dict(zip(arms, seen, strict=True))
            # against the plan, or against the other slices: one that differs does not hide in the sum
            planned = weights or {arm: counts[arm] - inside[arm] for arm in arms}
            if min(planned.values()) > 0:
                parts.append((name, value, inside, planned, _p(inside, planned, planned_by_hand=bool(weights))))
    adjusted = holm([p for *_, p in parts])
    # of the slices of one dimension the one that differs from all others drags them along; the worst is named
    broken = sorted((p, part) for p, part in zip(adjusted.tolist(), parts, strict=True) if p < SPLIT)
    if not broken:
        checks.append(
            HealthCheck(
                name="split of slices", light="green", sentence=f"Traffic was split alike in all {len(parts):,} slices."
            )
        )
        return checks
    p, (name, value, inside, planned, _) = broken[0]
    share, usual = inside[arms[0]] / sum(inside.values()), planned[arms[0]] / sum(planned.values())
    there = f"In {name} {value or '(unknown)'} {arms[0]} has {share:.1%} of {sum(inside.values()):,} users"
    against = f"{'planned' if weights else 'elsewhere'} {usual:.1%}"
    chance = f"{probability(p)} after Holm over {len(parts):,} slices"
    sentence = f"{there}, {against} ({chance}). Something decides there who is counted."
    checks.append(HealthCheck(name="split of slices", light="red", sentence=sentence))
    return checks


def _p(inside: dict[str, int], planned: dict[str, float], *, planned_by_hand: bool) -> float:
    """Of the split of a slice, against the plan, or against the counts of the other slices (which are random too)."""
    if planned_by_hand:
        return srm(inside, planned).p_value
    table = [list(map(float, inside.values())), list(map(float, planned.values()))]
    rows, columns = [sum(one) for one in table], [sum(one) for one in zip(*table, strict=True)]
    total = sum(rows)
    if total == 0 or min(rows) * min(columns) / total < 5:
        return math.nan
    statistic = sum(
        (table[i][j] - rows[i] * columns[j] / total) ** 2 / (rows[i] * columns[j] / total)
        for i in (0, 1)
        for j in (0, 1)
    )
    return float(chdtrc(1, statistic))
