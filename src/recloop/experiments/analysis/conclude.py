"""From sums to a verdict: arithmetic, in milliseconds, however many users there were."""

import hashlib
import time
from collections.abc import Iterator

import msgspec

from recloop.errors import DataError
from recloop.experiments.analysis.days import lifts
from recloop.experiments.analysis.layout import Column, Layout
from recloop.experiments.analysis.plan import DAY, AnalysisPlan
from recloop.experiments.analysis.planned_look import reached
from recloop.experiments.analysis.reader import Reader, Where
from recloop.experiments.analysis.result import Analysis
from recloop.experiments.analysis.scan import Scan
from recloop.experiments.analysis.sums import Sums
from recloop.experiments.arms import Arms
from recloop.experiments.beliefs import beliefs
from recloop.experiments.checks import (
    Check,
    alike,
    crossover,
    reason,
    simpson,
    skew_check,
    split_of,
    traffic,
    traffic_of_segments,
    worst_first,
)
from recloop.experiments.comparisons import comparisons
from recloop.experiments.decide import decide
from recloop.experiments.definition import Experiment
from recloop.experiments.detail import details
from recloop.experiments.guardrails import Basis, guardrails
from recloop.experiments.readout import ArmValue, Readout
from recloop.experiments.segment_columns import MOST_VALUES
from recloop.experiments.segments import Cells, segments
from recloop.stats import Moments


def conclude(plan: AnalysisPlan, scan: Scan, *, now: float | None = None) -> Analysis:
    """Read what was summed up.

    Args:
        plan: by which the sums were made.
        scan: of all users; scans add up, so that a live readout adds the newest users and comes here.
        now: seconds since 1970.

    Raises:
        DataError: a segment has more than 100 values.
    """
    now = time.time() if now is None else now
    sums = scan.sums
    layout = Layout.of(plan, scan.incomplete)
    users = {name: sums.users(sums.of(name)) for name in plan.variants}
    experiment = plan.experiment(sum(users.values()))
    over = sum(users.values()) >= experiment.planned_users
    reader = Reader.of(plan, sums, layout, scan.skews)
    at = None
    if experiment.rule == "group-sequential":
        at = reached(experiment, plan, reader, now, events=any(one.from_events for one in plan.defined.values()))
    basis: Basis = "fixed" if experiment.rule == "fixed" and over else "group sequential" if at else "always valid"
    split = split_of(experiment, users, basis)
    found = [traffic(split)]
    if scan.counted:
        found.append(crossover(scan.crossovers, sum(users.values()) + scan.crossovers))
    found += [Check(one.name, "yellow", one.sentence) for one in scan.findings if one.name != "crossover"]
    found += _split_by_segment(experiment, sums, basis)
    found += at.checks if at else ()
    found += _balance(experiment, reader, basis)
    arms = reader.arms()
    cells = _cells(reader)
    if not reason(found) and cells.moments:
        found.append(simpson(cells, plan.catalogue[plan.primary], experiment.pairs))
    if not reason(found):
        found += skew_check(arms, plan.primary, experiment.pairs)
    hidden = reason(found)
    look = at.look if at else None
    # a segment is small by its own measure
    small = msgspec.structs.replace(
        experiment,
        minimum_users=plan.minimum_cell,
        planned_users=max(experiment.planned_users, plan.minimum_cell),
    )
    readout = Readout(
        experiment=experiment.name,
        version=experiment.version,
        definition=_definition(plan),
        data=fingerprint(sums),
        now=now,
        basis=basis,
        users=users,
        crossovers=scan.crossovers,
        split=split,
        checks=worst_first(found),
        hidden=hidden,
        values=() if hidden else tuple(_values(experiment, arms)),
        comparisons=() if hidden else comparisons(experiment, arms, basis, look),
        guardrails=() if hidden else guardrails(experiment, arms, basis, look),
        details=() if hidden else tuple(details(experiment, arms, basis)),
        beliefs=() if hidden else tuple(beliefs(experiment, arms)),
        bandits=(),
        lifts=() if hidden else tuple(lifts(experiment, reader, plan.primary)),
        segments=segments(small, arms, Cells({}) if hidden else cells, basis),
        seconds_left=_seconds_left(experiment, sums, now),
        metrics=plan.catalogue,
        look=at.time if at else None,
    )
    return Analysis(plan, experiment, scan, readout, decide(experiment, readout))


def fingerprint(sums: Sums) -> str:
    """SHA-256 of what was summed up. Sums are taken to six figures, since threads add in any order."""
    digest = hashlib.sha256(repr((sums.columns, sums.cells, sums.n.tolist())).encode())
    for row in sums.first + sums.n[:, None] * sums.centre:
        digest.update(" ".join(f"{value:.6g}" for value in row).encode())
    return digest.hexdigest()


def _definition(plan: AnalysisPlan) -> str:
    return hashlib.sha256(msgspec.json.encode(plan, order="sorted")).hexdigest()


def _values(experiment: Experiment, arms: Arms) -> Iterator[ArmValue]:
    for metric in arms.metrics:
        for name in experiment.variants:
            yield ArmValue(metric, name, arms.value(metric, name), arms.unknown(metric, name))


def _split_by_segment(experiment: Experiment, sums: Sums, basis: Basis) -> list[Check]:
    """Whether traffic was split as planned in each segment."""
    if not sums.segments:
        return []
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for cell, n in zip(sums.cells, sums.n.tolist(), strict=True):
        for column, value in zip(sums.segments, cell.segments, strict=True):
            found = counts.setdefault((column, value), dict.fromkeys(experiment.variants, 0))
            found[cell.variant] += n
    for column in sums.segments:
        values = sum(one == column for one, _ in counts)
        if values > MOST_VALUES:
            raise DataError(
                f"segment column '{column}' has {values:,} values",
                allowed=f"at most {MOST_VALUES}",
                advice="put the rare ones together",
            )
    return [traffic_of_segments(experiment, counts, basis)] if counts else []


def _balance(experiment: Experiment, reader: Reader, basis: Basis) -> list[Check]:
    """Whether the variants were alike in the covariates."""
    columns = dict.fromkeys(
        one for metric in reader.layout.metrics.values() for one in metric.covariates if one.role == "plain"
    )
    if not columns:
        return []
    where = {name: reader.sums.of(name) for name in experiment.variants}
    sides = {name: {column.name: _known(reader, column, one) for column in columns} for name, one in where.items()}
    return [alike(experiment, sides, [column.name for column in columns], basis)]


def _known(reader: Reader, column: Column, where: Where) -> tuple[Moments, Moments]:
    """Moments of a covariate where it is known, and of whether it is. A gap counts as zero in the sums."""
    if column.number not in reader.layout.incomplete:
        n = reader.sums.users(where)
        return reader.sums.comoments([column.name], where).moments(0), Moments(n, float(n > 0))
    both = reader.sums.comoments([column.name, f"{column.name}, missing"], where)
    gaps = both.moments(1)
    known = round(both.n * (1 - gaps.mean))
    if not known:
        return Moments(), Moments(both.n, 0.0)
    total, square = both.n * float(both.means[0]), float(both.products[0, 0]) + both.n * float(both.means[0]) ** 2
    mean = total / known
    return Moments(known, mean, max(square - known * mean * mean, 0.0)), Moments(both.n, 1 - gaps.mean, gaps.m2)


def _cells(reader: Reader) -> Cells:
    """The agreed metrics in every segment of every variant."""
    plan, sums = reader.plan, reader.sums
    found = {}
    of = {name: sums.of(name) for name in plan.variants}
    for column in sums.segments:
        for value in sorted(sums.values(column)):
            here = sums.in_segment(column, value)
            for metric in plan.metrics:
                found[metric, column, value] = {name: reader.moments(metric, of[name] & here) for name in plan.variants}
    return Cells(found)


def _seconds_left(experiment: Experiment, sums: Sums, now: float) -> float | None:
    """How long the planned users take at the pace so far, where the data reach until about now."""
    days, users = sums.days, sums.users()
    if not days or not users or now - (days[-1] + 1) * DAY > 2 * DAY:
        return None
    pace = users / ((days[-1] - days[0] + 1) * DAY)
    return max(experiment.planned_users - users, 0) / pace
