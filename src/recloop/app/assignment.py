"""From the experiments that run to what each request gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from recloop.app.engine import Assign, Assignment
from recloop.errors import SettingError, nearest
from recloop.experiments import Experiment
from recloop.experiments.assign import allocate
from recloop.experiments.steps import share_now
from recloop.experiments.targeting import attributes
from recloop.types import Request


@dataclass(frozen=True)
class Running:
    """An experiment that runs, on a step of its ramp."""

    experiment: Experiment
    step: int = 0

    @cached_property
    def share(self) -> float:
        """Of the units that take part now."""
        return share_now(self.experiment, self.step)

    def open(self, request: Request) -> bool:
        """Whether the experiment runs where and when the request comes."""
        experiment, time = self.experiment, request.time
        if experiment.surfaces and request.surface not in experiment.surfaces:
            return False
        if experiment.starts and (time is None or time < experiment.starts.timestamp()):
            return False
        return not (experiment.ends and (time is None or time >= experiment.ends.timestamp()))


def assigning(running: Sequence[Running]) -> Assign:
    """The function that gives each request a variant of at most one experiment, and its policy.

    A surface belongs to one layer, and inside a layer the experiments share no unit: so no order of precedence is
    needed, and none is there (``recloop.experiments.layers``).
    """
    by_id = {one.experiment.id: one for one in running}

    def assignment(request: Request) -> Assignment | None:
        if request.force:
            _check(request, by_id)
        asked = [(one, _unit(one.experiment, request), request.force.get(name, "")) for name, one in by_id.items()]
        asked.sort(key=lambda wish: not (wish[2] or wish[1] in wish[0].experiment.forced))  # by hand goes first
        for one, unit, force in asked:
            if not (one.open(request) and (unit or force)):
                continue
            found = allocate(
                one.experiment,
                unit,
                user=request.user or "",
                attributes=attributes(request.profile, request.context) if one.experiment.targeting else None,
                share=one.share,
                force=force,
            )
            if found:
                policy = one.experiment.variants[found.variant].policy
                return Assignment(one.experiment.id, found.variant, policy, found.forced)
        return None

    return assignment


def _unit(experiment: Experiment, request: Request) -> str:
    """The id that is hashed; empty where the request does not tell it."""
    ids = {"user": request.user, "session": request.session, "request": request.id}
    return ids[experiment.unit] or ""


def _check(request: Request, by_id: dict[str, Running]) -> None:
    for name, variant in request.force.items():
        if name not in by_id:
            raise SettingError(f"no experiment '{name}' runs", advice=nearest(name, by_id))
        variants = by_id[name].experiment.variants
        if variant not in variants:
            raise SettingError(f"experiment '{name}' has no variant '{variant}'", advice=nearest(variant, variants))
