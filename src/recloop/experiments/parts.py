"""What the users of a segment did in two arms: those of each apart, or, where sessions were assigned, together."""

from dataclasses import dataclass
from typing import Protocol, Self

from recloop.experiments.effects import Effects, plain
from recloop.stats import Comoments, Estimate, Moments
from recloop.stats.crossed import crossed, crossed_difference


class Part(Protocol):
    """Users of two arms, as sums; parts without common users add up."""

    @property
    def users(self) -> int:
        """How many, each counted once per arm that has a sum of its own."""
        ...

    @property
    def counts(self) -> tuple[int, int]:
        """Users of the treatment, and of the control."""
        ...

    def __add__(self, other: Self) -> Self:
        """Of both."""
        ...

    def difference(self) -> Estimate | None:
        """Treatment minus control; None where there is none."""
        ...

    def effects(self, alpha: float, planned: int) -> Effects:
        """The treatment against the control, for one look and for every look."""
        ...


@dataclass(frozen=True, slots=True)
class Separate:
    """No user is in both arms."""

    treatment: Moments
    control: Moments

    @property
    def users(self) -> int:
        """Of both arms."""
        return self.treatment.n + self.control.n

    @property
    def counts(self) -> tuple[int, int]:
        """Users of the treatment, and of the control."""
        return self.treatment.n, self.control.n

    def __add__(self, other: Self) -> "Separate":
        """Of both."""
        return Separate(self.treatment + other.treatment, self.control + other.control)

    def difference(self) -> Estimate | None:
        """Treatment minus control; None where there is none."""
        t, c = self.treatment, self.control
        if min(t.n, c.n) < 2 or t.x_mean == 0 or c.x_mean == 0:
            return None
        a, b = t.estimate(), c.estimate()
        return Estimate(a.value - b.value, a.variance + b.variance, a.n + b.n)

    def effects(self, alpha: float, planned: int) -> Effects:
        """The treatment against the control."""
        return plain(self.treatment, self.control, alpha, planned)


@dataclass(frozen=True, slots=True)
class Shared:
    """Users are seen in both arms: the four sums of ``stats.crossed``, one row per user of either arm."""

    sums: Comoments
    counts: tuple[int, int]

    @property
    def users(self) -> int:
        """Of either arm, each once."""
        return self.sums.n

    def __add__(self, other: Self) -> "Shared":
        """Of both."""
        counts = self.counts[0] + other.counts[0], self.counts[1] + other.counts[1]
        return Shared(self.sums + other.sums, counts)

    def difference(self) -> Estimate | None:
        """Treatment minus control; None where there is none."""
        if self.sums.n < 2 or not (self.sums.means[1] and self.sums.means[3]):
            return None
        return crossed_difference(self.sums)

    def effects(self, alpha: float, planned: int) -> Effects:
        """The treatment against the control."""
        return Effects(crossed(self.sums, alpha), crossed(self.sums, alpha, planned=planned))
