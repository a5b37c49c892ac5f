"""Which decision an event or a word of feedback belongs to."""

import polars as pl


def attributed(rows: pl.LazyFrame, exposures: pl.LazyFrame, slates: pl.LazyFrame, window: float) -> pl.LazyFrame:
    """The rows that belong to a decision, with its id in ``decision``; the rule is that of ``user_table``.

    Args:
        rows: events or feedback.
        exposures: decision, user, time, item: one row per item shown.
        slates: decision, user, time: one row per slate.
        window: attribution window in seconds.
    """
    texts = [pl.col(name).cast(pl.String).replace("", None) for name in ("decision", "item")]
    rows = rows.with_columns(*texts, pl.col("time", "value").cast(pl.Float64)).sort("time")
    by_item, by_user = pl.col("item").is_not_null(), pl.col("item").is_null()
    named = rows.filter(pl.col("decision").is_not_null())
    free = rows.filter(pl.col("decision").is_null()).drop("decision")
    on_time = pl.col("time") <= pl.col("shown") + window
    touched = exposures.select("decision", "user", "item", "time")
    seen = slates.select("decision", "user", "time")
    parts = [
        named.filter(by_item).join(touched.rename({"time": "shown"}).drop("user"), on=["decision", "item"]),
        named.filter(by_user).join(seen.rename({"time": "shown"}).drop("user"), on="decision"),
    ]
    for part, keys, before in (
        (free.filter(by_item), ["user", "item"], touched),
        (free.filter(by_user), ["user"], seen),
    ):
        found = part.join_asof(
            before.with_columns(shown="time"), on="time", by=keys, strategy="backward", check_sortedness=False
        )
        parts.append(found.filter(pl.col("decision").is_not_null()))
    columns = ["decision", "item", "kind", "value", "time", *(["text"] if "text" in rows.collect_schema() else [])]
    return pl.concat([part.filter(on_time).select(columns) for part in parts])
