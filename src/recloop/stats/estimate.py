from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one arm knows of a metric: its value, the variance of that value (squared standard error), its units."""

    value: float
    variance: float
    n: int
