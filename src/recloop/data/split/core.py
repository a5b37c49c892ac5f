import polars as pl

from recloop.data.dataset import Dataset
from recloop.errors import DataError


def k_core(dataset: Dataset, min_user: int, min_item: int) -> tuple[Dataset, tuple[str, ...]]:
    """The largest part of the log in which each user and item with events has at least so many positive ones.

    Events of weight 0 go with their user or item.
    """
    if min_user <= 1 and min_item <= 1:
        return dataset, ()
    events = dataset.events
    while True:
        positive = pl.col("weight") > 0
        kept = events.filter((positive.sum().over("user") >= min_user) & (positive.sum().over("item") >= min_item))
        if kept.height == events.height:
            break
        events = kept
    gone = dataset.n_events - events.height
    if events.is_empty():
        raise DataError(
            f"no event is left of {dataset.n_events}",
            allowed=f"each user needs {min_user} and each item {min_item} positive events",
            advice="lower min_user_events or min_item_events",
        )
    rule = f"users with fewer than {min_user} or items with fewer than {min_item} positive events"
    notes = (f"{gone} of {dataset.n_events} events were left out: {rule}",) if gone else ()
    return dataset.with_events(events), notes
