"""Whether the variants got the users that were planned, over all and in every slice."""

from collections.abc import Mapping, Sequence

import polars as pl

from recloop.experiments.checks.check import Check
from recloop.experiments.checks.users import once
from recloop.experiments.definition import Experiment
from recloop.experiments.slices import sliced
from recloop.experiments.words import listed, probability
from recloop.stats import SRM, holm, srm

NAMED = 3  # slices that a sentence names


def split(experiment: Experiment, table: pl.DataFrame) -> SRM:
    """Users per variant against the planned weights; a user of several variants counts where it was seen first."""
    counts = dict(once(table)["variant"].value_counts().iter_rows())
    return srm({**dict.fromkeys(experiment.variants, 0), **counts}, experiment.weights)


def traffic(found: SRM) -> Check:
    """The split over all users, with its practical size beside the p-value."""
    tested = found.p_value <= 1 and not found.strangers
    sentence = f"{found.sentence} {gap(found)}." if tested else found.sentence
    return Check("traffic", "red" if found.red else "green", sentence)


def gap(found: SRM) -> str:
    """How far the arm that is farthest from its plan is from it.

    >>> gap(srm({"gate_30": 44700, "gate_40": 45489}, {"gate_30": 1, "gate_40": 1}))
    'gate_30 has 0.87% fewer users than planned'
    """
    gaps = {name: found.counts[name] / planned - 1 for name, planned in found.expected.items()}
    name = max(gaps, key=lambda one: abs(gaps[one]))
    return f"{name} has {abs(gaps[name]):.2%} {'fewer' if gaps[name] <= 0 else 'more'} users than planned"


def traffic_by_slice(experiment: Experiment, table: pl.DataFrame, columns: Sequence[str]) -> Check:
    """The split within each value of each segment column; p-values are adjusted by Holm over all slices.

    A fault that hits one country or one browser drowns in the sum over all users, and shows here.

    Raises:
        DataError: a column is missing, or cannot be one of segments.
    """
    users = once(sliced(table, columns))
    counts = {
        (column, str(value)): dict(part["variant"].value_counts().iter_rows())
        for column in columns
        for (value,), part in users.select(column, "variant").partition_by(column, as_dict=True).items()
    }
    return traffic_of_slices(experiment, counts)


def traffic_of_slices(experiment: Experiment, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> Check:
    """The same from counts: (column, value) → users per variant."""
    columns = list(dict.fromkeys(column for column, _ in counts))
    found = {slice_: srm(users, experiment.weights) for slice_, users in counts.items()}
    adjusted = dict(zip(found, holm([one.p_value for one in found.values()]).tolist(), strict=True))
    tested = sorted((p, slice_) for slice_, p in adjusted.items() if p <= 1)
    if not tested:
        return Check("traffic by slice", "green", f"{listed(columns)}: too few users to check how slices split.")
    broken = [(p, slice_) for p, slice_ in tested if p < found[slice_].alpha]
    over = f"after Holm over {len(tested)} slices"
    if not broken:
        smallest = probability(tested[0][0])
        return Check(
            "traffic by slice",
            "green",
            f"Traffic was split as planned in each slice of {listed(columns)} (smallest {smallest} {over}).",
        )
    named = listed(
        [f"{column} = {value} ({gap(found[column, value])}; {probability(p)})" for p, (column, value) in broken[:NAMED]]
    )
    more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    return Check(
        "traffic by slice",
        "red",
        f"Traffic was not split as planned where {named}{more}, {over}. Something decides who is counted there.",
    )
