"""The last planned look of a group-sequential experiment that was reached, and what it shows."""

import math
from dataclasses import dataclass

import polars as pl

from recloop.errors import DataError
from recloop.experiments.arms import Arms
from recloop.experiments.definition import Experiment
from recloop.experiments.planned_looks import planned_design, planned_futility
from recloop.stats import Effect, GroupSequential

ONE_ERROR = GroupSequential((1.0,), (1.0,))  # its interval reaches one standard error to either side


@dataclass(frozen=True, slots=True)
class LookTime:
    """Which planned look was reached last, and what it is made of.

    Attributes:
        number: of the look, from 1.
        users: of all variants, who had come by then.
        until: first slate of the last of them (seconds since 1970): later slates are not part of the look.
        next_users: at which the next look is; None after the last one.
    """

    number: int
    users: int
    until: float
    next_users: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """A planned look that was reached: its number, from 1, and its users.

    ``shares`` are the shares of the planned users at which this look and those before it came to be, where they came
    later than planned; empty where they are as planned.
    """

    experiment: Experiment
    number: int
    arms: Arms
    shares: tuple[float, ...] = ()

    @property
    def place(self) -> int:
        """Of this look among ``times``."""
        return len(self.shares) - 1 if self.shares else self.number - 1

    @property
    def times(self) -> tuple[float, ...]:
        """Shares of the planned users: those at which looks came to be, and those of the looks to come."""
        if not self.shares:
            return self.experiment.looks
        return (*self.shares, *(share for share in self.experiment.looks if share > max(self.shares)))

    def effect(self, metric: str, treatment: str, control: str, alpha: float) -> Effect:
        """The treatment against the control among the users of the look, with its repeated confidence interval."""
        design = planned_design(self.times, self.experiment.spending, alpha)
        return self.arms.at_look(metric, treatment, control, design, self.place)

    def futile(self, metric: str, treatment: str, control: str, alpha: float, sign: int) -> bool:
        """Whether z, in the direction of a win (``sign``), is below the bound of the look; never at the last one."""
        plan = self.experiment
        if not plan.futility or self.place + 1 >= len(self.times):
            return False
        found = self.arms.at_look(metric, treatment, control, ONE_ERROR, 0)
        error = found.high - found.estimate
        bound = planned_futility(self.times, plan.spending, alpha, plan.futility, plan.power).bounds[self.place]
        return error > 0 and sign * found.estimate / error < bound


def users_at_looks(experiment: Experiment) -> tuple[int, ...]:
    """How many users of all variants each planned look waits for."""
    return tuple(math.ceil(share * experiment.planned_users - 1e-9) for share in experiment.looks)


def reached(experiment: Experiment, table: pl.DataFrame, now: float) -> LookTime | None:
    """The last look that was reached: its users have come, and the attribution window of their slates is over.

    A look holds the first users, up to the planned number, with their slates until the last of them came and what
    followed within the window. So it is the same whenever it is read, and there is one test per planned look.

    Args:
        experiment: with the rule ``group-sequential``.
        table: one row per user who is counted, with ``first``.
        now: seconds since 1970.

    Raises:
        DataError: the table does not say when users came.
    """
    if "first" not in table.columns:
        raise DataError(
            "the user table has no column 'first', the time of a user's first slate",
            allowed="a planned look is at the users who came first",
            advice="make it with metrics.outcomes.user_table",
        )
    counts = users_at_looks(experiment)
    firsts = table["first"].sort()
    found = [
        LookTime(place + 1, count, float(firsts[count - 1]), counts[place + 1] if place + 1 < len(counts) else None)
        for place, count in enumerate(counts)
        if count <= len(firsts) and now >= float(firsts[count - 1]) + experiment.window
    ]
    return found[-1] if found else None


def first_users(table: pl.DataFrame, look: LookTime) -> pl.DataFrame:
    """The rows of a user table that belong to a look: those of its first users."""
    return table.sort("first", "user").head(look.users)
