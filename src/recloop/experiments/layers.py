"""Several experiments at once: a surface belongs to one layer, and inside a layer no unit is in two experiments."""

from collections.abc import Iterable, Sequence

import msgspec

from recloop.errors import ConflictError
from recloop.experiments.definition import Experiment

ROUNDING = 1e-12  # shares that fill a layer need not add up to 1 to the last bit


def placed(experiment: Experiment, running: Sequence[Experiment]) -> Experiment:
    """The experiment with its place among those that run.

    Raises:
        ConflictError: it cannot run beside them; what stands in the way is named.

    >>> from recloop.experiments import Variant
    >>> arms = {"a": Variant(policy="a", control=True), "b": Variant(policy="b")}
    >>> one, two = (Experiment(name=name, variants=arms, traffic=0.4) for name in ("one", "two"))
    >>> placed(two, [placed(one, [])]).offset
    0.4
    """
    for other in running:
        _together(experiment, other)
    taken = sorted(span(other) for other in running if other.layer == experiment.layer)
    gaps = [(max(start, 0.0), end) for start, end in _gaps(taken)]
    wanted = experiment.offset
    if wanted is None:
        starts = [start for start, end in gaps if end - start >= experiment.traffic - ROUNDING]
        if not starts:
            raise _no_room(experiment, running, gaps)
        return msgspec.structs.replace(experiment, offset=starts[0])
    if not any(start - ROUNDING <= wanted and wanted + experiment.traffic <= end + ROUNDING for start, end in gaps):
        raise _no_room(experiment, running, gaps)
    return experiment


def span(experiment: Experiment) -> tuple[float, float]:
    """The part of its layer that an experiment may fill: from, to."""
    start = experiment.offset or 0.0
    return start, start + experiment.traffic


def _together(experiment: Experiment, other: Experiment) -> None:
    """Raise where two experiments must not run at once, whatever their shares."""
    if other.name == experiment.name:
        raise ConflictError(
            f"version {other.version} of '{other.name}' runs",
            allowed="one version of an experiment runs at a time",
            advice=f"stop '{other.id}' first",
        )
    if (other.holdout or None) != (experiment.holdout or None):
        raise ConflictError(
            f"'{experiment.id}' holds out {_held(experiment)}, and '{other.id}', which runs, {_held(other)}",
            allowed="who is held out is in no experiment",
            advice="give both the same holdout",
        )
    if other.layer == experiment.layer:
        if other.unit != experiment.unit:
            raise ConflictError(
                f"'{experiment.id}' assigns {experiment.unit}s, and '{other.id}' of the same layer {other.unit}s",
                allowed="a layer has one unit",
                advice="name another layer, and its surfaces",
            )
        return
    if other.effective_salt == experiment.effective_salt:
        raise ConflictError(
            f"'{experiment.id}' and '{other.id}' of another layer have the salt '{experiment.effective_salt}'",
            allowed="layers are independent only where salts differ",
            advice="leave the salt out",
        )
    if not experiment.surfaces or not other.surfaces or set(experiment.surfaces) & set(other.surfaces):
        raise ConflictError(
            f"'{experiment.id}' of layer '{experiment.layer}' runs on {_where(experiment)}, and '{other.id}' of layer "
            f"'{other.layer}' on {_where(other)}",
            allowed="a surface belongs to one layer, so that one experiment decides each slate",
            advice=f"name other surfaces, or put it in layer '{other.layer}' with a part of the traffic",
        )


def _gaps(taken: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    found, at = [], 0.0
    for start, end in taken:
        if start > at:
            found.append((at, start))
        at = max(at, end)
    return [*found, (at, 1.0)] if at < 1 else found


def _no_room(experiment: Experiment, running: Sequence[Experiment], gaps: list[tuple[float, float]]) -> ConflictError:
    """What takes the room, and how much is free in one piece."""
    mine = [(span(other), other.id) for other in running if other.layer == experiment.layer]
    said = ", ".join(f"'{name}' takes {start:.4g} to {end:.4g}" for (start, end), name in sorted(mine))
    free = max((end - start for start, end in gaps), default=0.0)
    ends = span(experiment)
    wish = f"{experiment.traffic:.4g}" if experiment.offset is None else f"{ends[0]:.4g} to {ends[1]:.4g}"
    others = " or ".join(f"'{name}'" for _, name in sorted(mine))
    return ConflictError(
        f"layer '{experiment.layer}' has no room for the {wish} that '{experiment.id}' wants: {said}",
        allowed="experiments of one layer never share a unit",
        advice=f"ask for at most {free:.4g} of the traffic" if free > ROUNDING else f"stop {others} first",
    )


def _held(experiment: Experiment) -> str:
    holdout = experiment.holdout
    if not holdout:
        return "nobody"
    policy = f", policy '{holdout.policy}'" if holdout.policy else ""
    return f"{holdout.share:.4g} of the users (salt '{holdout.salt}'{policy})"


def _where(experiment: Experiment) -> str:
    return ", ".join(f"'{surface}'" for surface in experiment.surfaces) or "every surface"
