from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import chdtrc

from recloop.errors import SettingError

SUSPECT = 10  # times alpha
MINIMUM_EXPECTED = 5  # below, chi-square is not to be trusted


@dataclass(frozen=True, slots=True)
class SRM:
    """Whether the arms got the shares of users that were planned.

    ``p_value`` is NaN where there are too few users to tell. ``strangers`` are arms of weight zero, or of no weight at
    all, that have users nevertheless: that alone is red.
    """

    p_value: float
    counts: Mapping[str, int]
    expected: Mapping[str, float]
    strangers: tuple[str, ...]
    alpha: float
    unit: str = "users"

    @property
    def red(self) -> bool:
        """Whether results must not be read."""
        return bool(self.strangers) or self.p_value < self.alpha

    @property
    def suspect(self) -> bool:
        """Whether it is not red, and still rarer than ten times alpha: a reason to look, not to hide."""
        return not self.red and self.p_value < SUSPECT * self.alpha

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if self.strangers:
            named = ", ".join(f"'{name}' ({self.counts[name]:,} {self.unit})" for name in self.strangers)
            return f"Users were shown variants that have no traffic: {named}."
        total = sum(self.counts.values())
        if not self.p_value <= 1:
            return f"{total:,} {self.unit} are too few to check how traffic was split."
        shares = ", ".join(
            f"{name} {self.counts[name] / total:.1%} of {self.unit} (planned {self.expected[name] / total:.1%})"
            for name in self.expected
        )
        chance = "p < 0.0001" if self.p_value < 0.0001 else f"p = {self.p_value:.2g}"
        if self.red:
            return f"Traffic was not split as planned: {shares}; {chance}. Something decides who is counted."
        doubt = "may not have been split" if self.suspect else "was split"
        return f"Traffic {doubt} as planned: {shares}; {chance}."


def srm(counts: Mapping[str, int], weights: Mapping[str, float], alpha: float = 0.001, unit: str = "users") -> SRM:
    """Sample ratio mismatch: Pearson's chi-square of users per arm against the planned weights.

    Args:
        counts: users per arm; an arm that is not named has none.
        weights: planned weight per arm, in any unit.
        alpha: below this p-value the result is red. Small, since the check is made for every experiment and every look.
        unit: what is counted, as the sentence names it.

    Source: A. Fabijan and others, "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019.

    Raises:
        SettingError: a weight is negative, or all are zero.

    >>> found = srm({"gate_30": 44700, "gate_40": 45489}, {"gate_30": 1, "gate_40": 1})
    >>> round(found.p_value, 4), found.red
    (0.0086, False)
    """
    seen, expected, strangers = against_plan(counts, weights)
    p = float("nan")
    if len(expected) > 1 and min(expected.values()) >= MINIMUM_EXPECTED:
        statistic = sum((seen[name] - e) ** 2 / e for name, e in expected.items())
        p = float(chdtrc(len(expected) - 1, statistic))
    return SRM(p, seen, expected, strangers, alpha, unit)


def against_plan(
    counts: Mapping[str, int], weights: Mapping[str, float]
) -> tuple[dict[str, int], dict[str, float], tuple[str, ...]]:
    """Users of every arm, expected users of the planned ones, and the arms that have users without a plan.

    Raises:
        SettingError: a weight or a count is negative, or all weights are zero.
    """
    total_weight = sum(weights.values())
    if total_weight <= 0 or min(weights.values()) < 0:
        raise SettingError(f"weights are {dict(weights)}", allowed="none is negative, and one is above zero")
    if any(count < 0 for count in counts.values()):
        raise SettingError(f"counts are {dict(counts)}", allowed="no count is negative")
    strangers = tuple(name for name, count in counts.items() if count and not weights.get(name))
    planned = {name: weight for name, weight in weights.items() if weight > 0}
    total = sum(counts.get(name, 0) for name in planned)
    expected = {name: total * weight / total_weight for name, weight in planned.items()}
    seen = {**dict.fromkeys(weights, 0), **counts}
    return seen, expected, strangers
