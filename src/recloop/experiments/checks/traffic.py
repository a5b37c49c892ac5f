"""Whether the variants got the users that were planned, over all and in every segment."""

from collections.abc import Mapping, Sequence

import polars as pl

from recloop.experiments.checks.check import Check
from recloop.experiments.checks.users import once
from recloop.experiments.definition import Experiment
from recloop.experiments.guardrails import Basis
from recloop.experiments.segment_columns import segmented
from recloop.experiments.words import adjusted_over, listed, probability
from recloop.stats import SRM, holm, sequential_srm, srm

SEQUENTIAL_ALPHA = 0.01  # over the whole life of an experiment
INFORMATION = 8.0  # planned users over the concentration of the mixture: near the best at the planned size
UNITS = {"session": "sessions", "request": "slates"}  # column of the user table that counts them
NAMED = 3  # segments that a sentence names


def split(experiment: Experiment, table: pl.DataFrame, basis: Basis = "fixed") -> SRM:
    """Units per variant against the planned weights; a user of several variants counts where it was seen first.

    Chi-square is right at one look, and red below 0.001. Where every look counts (``always valid``) the test is the one
    by a Dirichlet mixture, sharpest at the planned size and red below 0.01: a false alarm in one of a hundred
    experiments, however often it is looked at. Chi-square, looked at that often, raises more at 0.001.
    """
    return split_of(experiment, _counts(experiment, _units(experiment, table)), basis)


def traffic(found: SRM) -> Check:
    """The split over all users, with its practical size beside the p-value."""
    tested = found.p_value <= 1 and not found.strangers
    sentence = f"{found.sentence} {gap(found)}." if tested else found.sentence
    return Check("traffic", "red" if found.red else "yellow" if found.suspect else "green", sentence)


def gap(found: SRM) -> str:
    """How far the arm that is farthest from its plan is from it.

    >>> gap(srm({"gate_30": 44700, "gate_40": 45489}, {"gate_30": 1, "gate_40": 1}))
    'gate_30 has 0.87% fewer users than planned'
    >>> gap(srm({"a": 990, "b": 30}, {"a": 99, "b": 1}))
    'b has 194% more users than planned'
    """
    gaps = {name: found.counts[name] / planned - 1 for name, planned in found.expected.items()}
    name = max(gaps, key=lambda one: (round(abs(gaps[one]), 9), gaps[one] < 0))  # of two alike, the one that lost
    size = abs(gaps[name])
    said = f"{size:.2%}" if size < 0.1 else f"{size:.0%}"
    return f"{name} has {said} {'fewer' if gaps[name] <= 0 else 'more'} {found.unit} than planned"


def traffic_by_segment(
    experiment: Experiment, table: pl.DataFrame, columns: Sequence[str], basis: Basis = "fixed"
) -> Check:
    """The split within each value of each segment column; p-values are adjusted by Holm over all segments.

    A fault that hits one country or one browser drowns in the sum over all users, and shows here.

    Raises:
        DataError: a column is missing, or cannot be one of segments.
    """
    users = _units(experiment, segmented(table, columns))
    counts = {
        (column, str(value)): _counts(experiment, part)
        for column in columns
        for (value,), part in users.partition_by(column, as_dict=True).items()
    }
    return traffic_of_segments(experiment, counts, basis)


def traffic_of_segments(
    experiment: Experiment, counts: Mapping[tuple[str, str], Mapping[str, int]], basis: Basis = "fixed"
) -> Check:
    """The same from counts: (column, value) → units per variant."""
    columns = list(dict.fromkeys(column for column, _ in counts))
    found = {segment: split_of(experiment, units, basis) for segment, units in counts.items()}
    adjusted = dict(zip(found, holm([one.p_value for one in found.values()]).tolist(), strict=True))
    tested = sorted((p, segment) for segment, p in adjusted.items() if p <= 1)
    if not tested:
        return Check("traffic by segment", "green", f"{listed(columns)}: too few users to check how segments split.")
    broken = [(p, segment) for p, segment in tested if p < found[segment].alpha]
    over = adjusted_over("Holm", len(tested), "segment")
    if not broken:
        smallest = probability(tested[0][0])
        return Check(
            "traffic by segment",
            "green",
            f"Traffic was split as planned in each segment of {listed(columns)} (smallest {smallest}{over}).",
        )
    named = listed(
        [f"{column} = {value} ({gap(found[column, value])}; {probability(p)})" for p, (column, value) in broken[:NAMED]]
    )
    more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    return Check(
        "traffic by segment",
        "red",
        f"Traffic was not split as planned where {named}{more}{over}. Something decides who is counted there.",
    )


def _units(experiment: Experiment, table: pl.DataFrame) -> pl.DataFrame:
    """The rows with how many units each stands for."""
    column = UNITS.get(experiment.unit)
    if column in table.columns:
        return table.with_columns(units=pl.col(column))
    return once(table).with_columns(units=1)


def _counts(experiment: Experiment, rows: pl.DataFrame) -> dict[str, int]:
    sums = dict(rows.group_by("variant").agg(pl.col("units").sum()).iter_rows())
    return {**dict.fromkeys(experiment.variants, 0), **sums}


def split_of(experiment: Experiment, counts: Mapping[str, int], basis: Basis = "fixed") -> SRM:
    """As ``split``, from units per variant."""
    unit = f"{experiment.unit}s"
    if basis == "fixed":
        return srm(counts, experiment.weights, unit=unit)
    near = max(experiment.planned_users / INFORMATION, 1.0)
    return sequential_srm(counts, experiment.weights, SEQUENTIAL_ALPHA, concentration=near, unit=unit)
