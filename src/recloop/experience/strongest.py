import polars as pl

from recloop.metrics.online import OutcomeMetric


def strongest(table: pl.DataFrame, metric: OutcomeMetric, controls: tuple[str, ...]) -> str:
    """The control that does best on a metric: what users would get otherwise; the first where that cannot be told.

    Problems and groups are held against it. Against ``random`` nearly everything brings more clicks to every group,
    and whatever knows its users repeats itself more.

    Args:
        table: one row per user or per slate, with ``variant`` and the columns of the metric.
        metric: the primary one of an experiment.
        controls: one at least.

    >>> from recloop.metrics.online import OUTCOMES
    >>> table = pl.DataFrame({"variant": ["random", "popular"], "user": ["a", "b"], "slates": 9,
    ...     "clicked_slates": [1, 3]})
    >>> strongest(table, OUTCOMES["slate_ctr"], ("random", "popular"))
    'popular'
    """
    first, *others = controls
    if not others or metric.missing(table):
        return first
    does = {}
    for name in controls:
        mine = table.filter(pl.col("variant") == name)
        y, *x = (float(mine[column].sum()) for column in metric.columns)
        if of := x[0] if x else mine["user"].n_unique():
            does[name] = metric.sign * y / of
    return max(does, key=lambda name: does[name], default=first)
