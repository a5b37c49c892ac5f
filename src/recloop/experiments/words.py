"""Numbers as a product owner reads them."""

from recloop.metrics.online import OutcomeMetric, Scale
from recloop.stats import Effect


def percent(value: float) -> str:
    """A fraction as a signed percentage, without figures that nobody needs.

    >>> percent(0.1234), percent(-0.0004), percent(2.5), percent(-1e-9)
    ('+12.3%', '-0.04%', '+250%', '0.0%')
    """
    if abs(value) < 0.00005:
        return "0.0%"
    return f"{value:+.{0 if abs(value) >= 1 else 1 if abs(value) >= 0.005 else 2}%}"


def change(metric: OutcomeMetric, value: float) -> str:
    """A difference in the metric's unit, signed; of shares, in points.

    >>> from recloop.metrics.online import OUTCOMES
    >>> change(OUTCOMES["slate_ctr"], -0.0123), change(OUTCOMES["latency"], 0.004)
    ('-1.23 points', '+4.0 ms')
    """
    if metric.form == "percent":
        return f"{value * 100:+.2f} points"
    said = metric.say(abs(value))
    return f"{'-' if value < 0 else '+'}{said}"


def lift(metric: OutcomeMetric, effect: Effect) -> str:
    """The change with its interval: relative where that has bounds, else in the metric's unit.

    >>> from recloop.metrics.online import OUTCOMES
    >>> from recloop.stats import Moments, welch
    >>> e = welch(Moments.from_summary(900, 0.12, 0.1), Moments.from_summary(900, 0.10, 0.1))
    >>> lift(OUTCOMES["purchase_rate"], e)
    '+20.0%, between -8.1% and +58.8%'
    """
    if effect.bounded:
        low, high = percent(effect.relative_low), percent(effect.relative_high)
        return f"{percent(effect.relative)}, between {low} and {high}"
    return f"{change(metric, effect.estimate)}, between {change(metric, effect.low)} and {change(metric, effect.high)}"


def against(metric: OutcomeMetric, control: str, effect: Effect) -> str:
    """The control's value and the change from it.

    >>> from recloop.metrics.online import OUTCOMES
    >>> from recloop.stats import Moments, welch
    >>> e = welch(Moments.from_summary(900, 0.12, 0.1), Moments.from_summary(900, 0.10, 0.1))
    >>> against(OUTCOMES["purchase_rate"], "popular", e)
    '10.0% under popular (+20.0%, between -8.1% and +58.8%)'
    """
    return f"{metric.say(effect.control)} under {control} ({lift(metric, effect)})"


def probability(p: float) -> str:
    """A p-value, with no more figures than it bears.

    >>> probability(0.0123), probability(3e-20)
    ('p = 0.012', 'p < 0.0001')
    """
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def loss(metric: OutcomeMetric, margin: float, scale: Scale) -> str:
    """How much a guardrail tolerates.

    >>> from recloop.metrics.online import OUTCOMES
    >>> loss(OUTCOMES["satisfaction"], 0.02, "relative"), loss(OUTCOMES["latency"], 0.05, "absolute")
    ('2.0%', '50.0 ms')
    """
    return (percent(margin) if scale == "relative" else change(metric, margin)).lstrip("+")


def listed(words: list[str], joint: str = "and") -> str:
    """A list as a sentence holds it.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    return f" {joint} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def number_of(noun: str, n: int) -> str:
    """A number with its noun.

    >>> number_of("user", 1), number_of("user", 1200)
    ('1 user', '1,200 users')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def adjusted_over(method: str, n: int, noun: str) -> str:
    """What stands behind a p-value that was adjusted for how many were tested; nothing where there was one.

    >>> adjusted_over("Holm", 4, "segment"), adjusted_over("Holm", 1, "segment")
    (' after Holm over 4 segments', '')
    """
    return f" after {method} over {number_of(noun, n)}" if n > 1 else ""


def duration(seconds: float) -> str:
    """About how long.

    >>> duration(90), duration(7200), duration(200000)
    ('2 minutes', '2 hours', '2 days')
    """
    for size, unit in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= 0.95 * size:
            return number_of(unit, round(seconds / size))
    return "less than a minute"
