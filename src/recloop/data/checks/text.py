"""How much of the catalogue can be read."""

from typing import Any

import numpy as np
import polars as pl

from recloop.data.checks.finding import Section, info, warning
from recloop.data.dataset import TEXT_COLUMNS, Dataset


def text(data: Dataset) -> Section:
    """Items with text, and how long it is."""
    columns = [name for name in TEXT_COLUMNS if name in data.items.columns]
    if not columns:
        note = "The items have no text (title, category, brand, description): strategies that read cannot be used."
        return {"text": {"columns": {}, "share": 0.0}}, [info("text", note)]
    texts = pl.Series(data.item_texts(), dtype=pl.String)
    words = texts.str.count_matches(r"\S+").to_numpy()
    touched = np.bincount(data.events["item"].to_numpy(), minlength=data.n_items)
    filled = words > 0
    figures: dict[str, Any] = {
        "columns": {name: 1 - data.items[name].null_count() / data.n_items for name in columns},
        "share": float(filled.mean()),
        "share_of_events": float(touched[filled].sum() / touched.sum()),
        "median_words": float(np.median(words[filled])) if filled.any() else 0.0,
        "same_text": int(filled.sum()) - int(texts.filter(pl.Series(filled)).n_unique()),
    }
    found = []
    if figures["share"] < 0.9:
        found.append(
            warning(
                "text",
                f"{1 - figures['share']:.0%} of the items have no text; strategies that read know nothing of them.",
            )
        )
    if figures["same_text"] > 0.05 * data.n_items:
        found.append(info("text", f"{figures['same_text']:,} items have the same text as another."))
    return {"text": figures}, found
