"""The numbers of an experiment, or the reason why they must not be read."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from recloop.experiments.arms import Arms
from recloop.experiments.bandits import BanditReadout, read_bandits
from recloop.experiments.beliefs import ArmBelief, beliefs
from recloop.experiments.checks import (
    Check,
    aa_history,
    balance,
    crossover,
    interference,
    novelty_check,
    outliers,
    reason,
    require_users,
    simpson,
    skew_check,
    split,
    traffic,
    traffic_by_segment,
)
from recloop.experiments.comparisons import Comparison, comparisons
from recloop.experiments.counted import counted, with_notes
from recloop.experiments.definition import Experiment
from recloop.experiments.detail import Detail, details
from recloop.experiments.fingerprint import fingerprint
from recloop.experiments.guardrails import Basis, GuardrailResult, guardrails
from recloop.experiments.history import before_columns
from recloop.experiments.history import covariates as covariates_of
from recloop.experiments.json_values import to_json
from recloop.experiments.lifts import Lift, lift
from recloop.experiments.look import Look, LookTime, first_users, reached
from recloop.experiments.segments import Cells, Segments, segments
from recloop.metrics.online import OUTCOMES, OutcomeMetric
from recloop.stats import SRM
from recloop.stats.moments import Values


@dataclass(frozen=True, slots=True)
class ArmValue:
    """A metric's value in one variant; NaN where it has none, with the reason."""

    metric: str
    variant: str
    value: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Readout:
    """All that is known of an experiment at a moment.

    Where a check is red, ``hidden`` holds the reason and there are no values, comparisons, guardrails or lifts: who is
    counted is broken, and no number can be trusted.

    ``users`` are counted without those seen in two variants (``crossovers``), and without those who got a variant by
    hand. Where sessions or requests are assigned, a user counts in each variant they were seen in, and there are no
    lifts over time. ``definition`` and ``data`` are the fingerprints of what was agreed on and of what
    was read. ``segments`` are empty where none were asked for. ``seconds_left`` is how long the planned users take at
    the pace so far; None where it is not known. ``look`` is the last planned look that was reached.

    ``details`` hold the effects without covariates and without caps where there are any. ``beliefs`` are Bayesian,
    ``bandits`` the values of the arms of policies that learn; no rule reads these two.
    """

    experiment: str
    version: int
    definition: str
    data: str
    now: float
    basis: Basis
    users: Mapping[str, int]
    crossovers: int
    split: SRM
    checks: tuple[Check, ...]
    hidden: str
    values: tuple[ArmValue, ...]
    comparisons: tuple[Comparison, ...]
    guardrails: tuple[GuardrailResult, ...]
    lifts: tuple[Lift, ...]
    segments: Segments
    seconds_left: float | None
    details: tuple[Detail, ...]
    beliefs: tuple[ArmBelief, ...]
    bandits: tuple[BanditReadout, ...]
    metrics: Mapping[str, OutcomeMetric] = dataclasses.field(repr=False)
    look: LookTime | None = None

    @property
    def total_users(self) -> int:
        """Users of all variants."""
        return sum(self.users.values())

    def of(self, metric: str, treatment: str | None = None) -> tuple[Comparison, ...]:
        """The comparisons on a metric, of one treatment or of all."""
        return tuple(c for c in self.comparisons if c.metric == metric and treatment in {None, c.treatment})

    def to_dict(self) -> dict[str, Any]:
        """JSON values. What is NaN or infinite (no value, no bound) becomes None."""
        found = {f.name: to_json(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "metrics"}
        shown = ("title", "unit", "direction", "form")
        found["metrics"] = {
            id_: {name: getattr(metric, name) for name in shown} for id_, metric in self.metrics.items()
        }
        return found


def read_out(
    experiment: Experiment,
    table: pl.DataFrame,
    now: float,
    *,
    catalogue: Mapping[str, OutcomeMetric] = OUTCOMES,
    segment_columns: Sequence[str] = (),
    covariates: Sequence[str] = (),
    daily: pl.DataFrame | None = None,
    aa_p_values: Values | None = None,
    before: pl.DataFrame | None = None,
    at_look: pl.DataFrame | None = None,
    slates: pl.DataFrame | None = None,
) -> Readout:
    """Read an experiment.

    Args:
        experiment: what was agreed on.
        table: one row per (variant, user) with sums, as ``metrics.outcomes.user_table`` makes it from the decisions of
            this experiment. With ``first`` (time of the user's first slate) there are lifts over time.
        now: seconds since 1970.
        catalogue: the metrics to read; those that the table lacks say so.
        segment_columns: columns of the table that say what a user was before the start (country, device): the split
            is checked in each segment, and the effects on the primary metric and the guardrails are read per segment.
        covariates: numeric columns of what users did before the start; the arms should be alike in them.
        daily: the same users by day, as ``user_table(..., daily=True)`` makes it: shows whether the effect fades.
        aa_p_values: of earlier A/A readouts, one per experiment.
        before: one row per user who has a history, as ``metrics.before.before_table`` makes it: what the agreed
            metrics are adjusted for.
        at_look: the user table as it was at the last planned look (see ``look.reached``), for the rule
            ``group-sequential``; without it the first users count with all that they did since.
        slates: one row per decision, see ``read_bandits``: what the arms of bandits are worth.

    Raises:
        DataError: the table is not one row per user, or a column holds text, NaN or infinite values.
        SettingError: the experiment names a metric that is not in the catalogue.

    >>> from recloop.experiments import Variant
    >>> table = pl.DataFrame({
    ...     "variant": ["popular", "blend"] * 200, "user": [f"u{i}" for i in range(400)],
    ...     "slates": [2] * 400, "clicked_slates": [0, 1, 1, 2] * 100})
    >>> test = Experiment(name="home", planned_users=400, rule="fixed", variants={
    ...     "popular": Variant(policy="popular", control=True), "blend": Variant(policy="blend")})
    >>> effect = read_out(test, table, now=0.0).of("slate_ctr")[0].effect
    >>> round(effect.estimate, 3), round(effect.low, 3), round(effect.high, 3)
    (0.5, 0.451, 0.549)
    """
    experiment.check_metrics(catalogue)
    require_users(table)
    who = counted(experiment, table)
    kept, crossed = who.kept, experiment.unit != "user"
    users = dict.fromkeys(experiment.variants, 0) | dict(kept["variant"].value_counts().sort("variant").iter_rows())
    over = sum(users.values()) >= experiment.planned_users
    look = reached(experiment, kept, now) if experiment.rule == "group-sequential" else None
    basis: Basis = "fixed" if experiment.rule == "fixed" and over else "group sequential" if look else "always valid"
    srm = split(experiment, who.seen, basis)
    found = [traffic(srm), crossover(who.crossovers, who.seen["user"].n_unique())]
    if segment_columns:
        found.append(traffic_by_segment(experiment, who.seen, segment_columns, basis))
    agreed = [catalogue[id_] for id_ in experiment.metrics]
    history = pl.DataFrame() if before is None else before_columns(kept, before, agreed)
    if covariates or history.width:
        beside = pl.concat([kept, history], how="horizontal")
        found.append(balance(experiment, beside, [*covariates, *history.columns], basis))
    if aa_p_values is not None:
        found.append(aa_history(aa_p_values, experiment.alpha))
    wanted = [catalogue[id_] for id_ in dict.fromkeys([*experiment.metrics, *catalogue])]

    def read(users: pl.DataFrame) -> Arms:
        known = {} if before is None else covariates_of(experiment, users, before, agreed)
        return Arms.of(users, wanted, crossed=crossed, winsorise=experiment.winsorise, covariates=known)

    # while it is not known who is counted, nothing is computed of what they did
    arms = read(kept.clear() if reason(found) else kept)
    cells = Cells.read(arms, segment_columns, experiment.metrics, experiment.pairs)
    if not reason(found):
        found += _from_effects(experiment, arms, kept, cells, daily)
    if reason(found):
        arms, cells = read(kept.clear()), Cells({})
    hidden = reason(found)
    planned = Look(experiment, look.number, read(_of_look(kept, at_look, look))) if look and not hidden else None
    timed = "first" in table.columns and not crossed
    lifts = [lift(experiment, arms, experiment.primary, *pair) for pair in experiment.pairs if timed]
    return Readout(
        experiment=experiment.name,
        version=experiment.version,
        definition=experiment.fingerprint,
        data=fingerprint(table, *(more for more in (before, at_look) if more is not None)),
        now=now,
        basis=basis,
        users=users,
        crossovers=who.crossovers,
        split=srm,
        checks=with_notes(found, who.notes),
        hidden=hidden,
        values=() if hidden else _values(experiment, arms),
        comparisons=() if hidden else comparisons(experiment, arms, basis, planned),
        guardrails=() if hidden else guardrails(experiment, arms, basis, planned),
        lifts=tuple(one for one in lifts if one),
        segments=segments(experiment, arms, cells, basis),
        seconds_left=_seconds_left(experiment, kept, now),
        details=() if hidden else tuple(details(experiment, arms, basis)),
        beliefs=() if hidden else tuple(beliefs(experiment, arms)),
        bandits=()
        if hidden or slates is None
        else tuple(
            read_bandits(experiment, slates.join(kept, on=["variant", "user"], how="semi"), arms.metrics, now, basis)
        ),
        metrics=arms.metrics,
        look=look,
    )


def _of_look(kept: pl.DataFrame, at_look: pl.DataFrame | None, look: LookTime) -> pl.DataFrame:
    first = first_users(kept, look)
    return first if at_look is None else at_look.join(first.select("variant", "user"), on=["variant", "user"])


def _from_effects(
    experiment: Experiment, arms: Arms, table: pl.DataFrame, cells: Cells, daily: pl.DataFrame | None
) -> list[Check]:
    """The checks that look at what users did: how the effect on the primary metric came about."""
    metric = arms.metrics[experiment.primary]
    if arms.missing[metric.id]:
        return []
    found = [outliers(arms, metric.id, experiment.pairs), *skew_check(arms, metric.id, experiment.pairs)]
    if "first" in table.columns:
        found.append(interference(experiment, table, metric))
    if cells.moments and not arms.crossed:
        found.append(simpson(cells, metric, experiment.pairs))
    if daily is not None and not metric.missing(daily):
        counted = daily.join(table.select("user"), on="user", how="semi")
        found.append(novelty_check(counted, metric, experiment.pairs))
    return found


def _values(experiment: Experiment, arms: Arms) -> tuple[ArmValue, ...]:
    return tuple(
        ArmValue(metric, name, arms.value(metric, name), arms.unknown(metric, name))
        for metric in arms.metrics
        for name in experiment.variants
    )


def _seconds_left(experiment: Experiment, table: pl.DataFrame, now: float) -> float | None:
    if "first" not in table.columns or not table.height:
        return None
    since = now - float(table["first"].min())  # type: ignore[arg-type]
    return max(experiment.planned_users - table.height, 0) * since / table.height if since > 0 else None
