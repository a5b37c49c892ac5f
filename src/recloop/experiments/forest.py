from recloop.charts import Interval
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Effect

WIDEST = 2.0  # relative change up to which a plot is drawn to scale; beyond it there is an arrow


def forest_row(label: str, metric: OutcomeMetric, effect: Effect) -> Interval:
    """A relative change as a row of a forest plot: green where it is better, red where it is worse, grey where open.

    >>> from recloop.metrics.online import OUTCOMES
    >>> from recloop.stats import Moments, welch
    >>> slower = welch(Moments.from_summary(900, 0.12, 0.001), Moments.from_summary(900, 0.10, 0.001))
    >>> forest_row("latency", OUTCOMES["latency"], slower).tone
    'bad'
    """
    low, high = effect.relative_low, effect.relative_high
    tone = "quiet" if low <= 0 <= high else "good" if effect.relative * metric.sign > 0 else "bad"
    return Interval(label, effect.relative, low, high, tone)
