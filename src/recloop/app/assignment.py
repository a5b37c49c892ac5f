"""From the experiments that run to what each request gets."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from recloop.app.engine import Assign, Assignment
from recloop.errors import SettingError, nearest
from recloop.experiments import Allocation, Experiment, Holdout, allocate
from recloop.experiments.assign import in_holdout
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

    @cached_property
    def since(self) -> float:
        """Seconds since 1970 from which requests are assigned."""
        return self.experiment.starts.timestamp() if self.experiment.starts else -math.inf

    @cached_property
    def until(self) -> float:
        """Seconds since 1970 from which they are no more."""
        return self.experiment.ends.timestamp() if self.experiment.ends else math.inf

    def unit(self, request: Request) -> str:
        """The id that is hashed; empty where the request does not tell it."""
        match self.experiment.unit:
            case "user":
                return request.user or ""
            case "session":
                return request.session or ""
            case _:
                return request.id or ""

    def by_hand(self, request: Request) -> bool:
        """Whether somebody chose the variant of a request."""
        return self.experiment.id in request.force or self.unit(request) in self.experiment.forced

    def allocate(self, request: Request) -> Allocation | None:
        """What the request gets; None where the experiment does not run there and then, or it does not take part."""
        experiment = self.experiment
        if experiment.surfaces and request.surface not in experiment.surfaces:
            return None
        if not self.since <= (request.time or 0.0) < self.until:
            return None
        unit, force = self.unit(request), request.force.get(experiment.id, "") if request.force else ""
        if not (unit or force):
            return None
        return allocate(
            experiment,
            unit,
            user=request.user or "",
            attributes=attributes(request.profile, request.context) if experiment.targeting else None,
            share=self.share,
            force=force,
        )


def assigning(running: Sequence[Running], holdout: Holdout | None = None) -> Assign:
    """The function that gives each request a variant of at most one experiment, and its policy.

    Users of a ``holdout`` with a policy of its own get that one, and are in no experiment.

    A surface belongs to one layer, and inside a layer the experiments share no unit: so no order of precedence is
    needed, and none is there (``recloop.experiments.layers``). Only testers go before the hash.
    """
    by_id = {one.experiment.id: one for one in running}
    testers = any(one.experiment.forced for one in running)

    def assignment(request: Request) -> Assignment | None:
        if request.force:
            _check(request, by_id)
        asked: Iterable[Running] = by_id.values()
        if request.force or testers:
            asked = sorted(asked, key=lambda one: not one.by_hand(request))
        for one in asked:
            if found := one.allocate(request):
                policy = one.experiment.variants[found.variant].policy
                return Assignment(one.experiment.id, found.variant, policy, found.forced)
        if holdout and holdout.policy and in_holdout(holdout, request.user or ""):
            return Assignment("", "", holdout.policy)
        return None

    return assignment


def _check(request: Request, by_id: dict[str, Running]) -> None:
    for name, variant in request.force.items():
        if name not in by_id:
            raise SettingError(f"no experiment '{name}' runs", advice=nearest(name, by_id))
        variants = by_id[name].experiment.variants
        if variant not in variants:
            raise SettingError(f"experiment '{name}' has no variant '{variant}'", advice=nearest(variant, variants))
