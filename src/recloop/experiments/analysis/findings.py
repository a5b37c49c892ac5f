from dataclasses import dataclass, field

from recloop.errors import DataError
from recloop.experiments.analysis.plan import Policy


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of bad data: how many users or rows, and what was done with them."""

    name: str
    count: int
    sentence: str


@dataclass(slots=True)
class Findings:
    """What is wrong with the data. By the plan's policy the first one is an error, or all of them are counted."""

    policy: Policy
    found: list[Finding] = field(default_factory=list)

    def add(self, name: str, count: int, what: str, done: str, *, allowed: str = "", advice: str = "") -> None:
        """Tell of ``count`` users or rows; ``done`` is what a plan that only warns does with them.

        Raises:
            DataError: the plan's policy is ``stop``.
        """
        if self.policy == "stop":
            way_out = f'mend the data, or set bad_data = "warn": then {done}'
            raise DataError(
                what, allowed=allowed, advice=f"{advice.rstrip('.')}. {_capital(way_out)}" if advice else way_out
            )
        if all((one.name, one.sentence) != (name, f"{what}; {done}.") for one in self.found):
            self.found.append(Finding(name, count, f"{_capital(what)}; {done}."))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
