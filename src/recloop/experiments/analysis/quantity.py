"""A number per user: a column of the data, or a sum over events after or before the first exposure."""

from dataclasses import dataclass

from recloop.experiments.analysis.metric_plan import EventSum


@dataclass(frozen=True, slots=True)
class FromColumn:
    """A column."""

    name: str


@dataclass(frozen=True, slots=True)
class FromEvents:
    """A sum over events inside the attribution window, or over so many days before the first exposure."""

    sum: EventSum
    before_days: float = 0.0

    @property
    def name(self) -> str:
        """As people name it.

        >>> FromEvents(EventSum(kind="purchase", of="sum"), 14).name
        'sum of purchase, 14 days before'
        """
        when = f", {self.before_days:g} days before" if self.before_days else ""
        return f"{self.sum.of} of {self.sum.kind}{when}"


Number = FromColumn | FromEvents
