import math
from dataclasses import dataclass

from scipy.special import ndtri

from recloop.experiments.comparisons import Comparison
from recloop.experiments.definition import Experiment
from recloop.experiments.planned_looks import planned_design, planned_futility
from recloop.experiments.readout import Readout
from recloop.stats.sequences import boundary


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to come until the planned users are there.

    Args:
        users_left: how many more, of all variants.
        seconds_left: how long that takes at the pace so far; None where it is not known.
        detectable: the smallest true change of the primary metric, in its unit, that the planned users show with a
            chance of ``power``, against the control for which that is hardest; NaN where nothing can be compared yet.
    """

    users_left: int
    seconds_left: float | None
    detectable: float


def outlook(experiment: Experiment, readout: Readout) -> Outlook:
    """How far an experiment is from its planned size, and what it will be able to tell there."""
    found = [_detectable(experiment, readout, one) for one in readout.of(experiment.primary) if one.sequential]
    return Outlook(
        users_left=max(experiment.planned_users - readout.total_users, 0),
        seconds_left=readout.seconds_left,
        detectable=float(f"{max(found, default=math.nan):.6g}"),  # the order of rows changes no figure that counts
    )


def _detectable(experiment: Experiment, readout: Readout, one: Comparison) -> float:
    """From the standard error so far, which falls with the root of the users; the rule's own multiple of it decides."""
    assert one.sequential is not None
    planned = experiment.planned_for(one.treatment, one.control)
    share = (readout.users[one.treatment] + readout.users[one.control]) / planned
    error = (one.sequential.high - one.sequential.low) / 2 / boundary(share, experiment.alpha)
    if experiment.rule == "group-sequential":
        alpha = experiment.alpha / len(experiment.pairs)
        if experiment.futility:
            found = planned_futility(
                experiment.looks, experiment.spending, alpha, experiment.futility, experiment.power
            ).drift
        else:
            found = planned_design(experiment.looks, experiment.spending, alpha).drift(experiment.power)
    else:
        once = experiment.rule == "fixed"
        critical = float(ndtri(1 - experiment.alpha / 2)) if once else boundary(1.0, experiment.alpha)
        found = critical + float(ndtri(experiment.power))
    return found * error * math.sqrt(share)
