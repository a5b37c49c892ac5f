"""Numbers to places on the page, with ticks at round values."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from data to units of the picture.

    >>> Scale(0.0, 10.0, 100.0, 200.0)(5.0)
    150.0
    """

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    @classmethod
    def over(cls, values: Iterable[float], start: float, stop: float, *, zero: bool = False) -> "Scale":
        """A scale that holds all finite values with some air, and zero where asked."""
        finite = [v for v in values if math.isfinite(v)] + ([0.0] if zero else [])
        low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        air = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        return cls(low if zero and low == 0 else low - air, high if zero and high == 0 else high + air, start, stop)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values inside the scale, at most ``most``.

        >>> Scale(0.0, 0.31, 0, 1).ticks()
        [0.0, 0.1, 0.2, 0.3]
        """
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span / most))
        step = next(s * power for s in (1, 2, 2.5, 5, 10, 20) if span / (s * power) <= most)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [round((first + i) * step, 12) + 0.0 for i in range(count)]


def number(value: float) -> str:
    """Three figures that matter, as people write them.

    >>> number(0.12345), number(1234567.0), number(1234.0), number(0.0)
    ('0.123', '1.23M', '1,234', '0')
    """
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            divisor = 1e3 if letter == "k" else unit
            return f"{value / divisor:.3g}{letter}".replace("-", "−")
    if size >= 1e3:
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−") if size >= 1e-4 or size == 0 else f"{value:.1e}".replace("-", "−")


def percent(value: float) -> str:
    """A fraction as a signed percentage.

    >>> percent(0.1234), percent(-0.5), percent(0.0), percent(2.35)
    ('+12.3%', '−50%', '0%', '+235%')
    """
    if not math.isfinite(value):
        return "–"
    said = f"{value:+.0%}" if abs(value) >= 1 else f"{value:+.1%}".replace(".0%", "%")
    return "0%" if said in {"+0%", "-0%"} else said.replace("-", "−")


def as_share(value: float) -> str:
    """A fraction as a percentage without a sign, three figures that matter.

    >>> as_share(0.125), as_share(1 / 3), as_share(1.0), as_share(0.0)
    ('12.5%', '33.3%', '100%', '0%')
    """
    return f"{100 * value:.3g}%" if math.isfinite(value) else "–"


Format = Callable[[float], str]
