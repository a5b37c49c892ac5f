"""Which items have vectors of their own, and whether they can be used."""

from typing import Any

from recloop.data.checks.finding import Finding, Section, error, info
from recloop.data.dataset import Dataset
from recloop.errors import DataError


def vectors(data: Dataset) -> Section:
    """The columns of vectors: how long they are, and what share of the items has one."""
    figures: dict[str, dict[str, Any]] = {}
    found: list[Finding] = []
    for name in data.vector_columns:
        try:
            extra = data.extra_vectors(name)
        except DataError as fault:
            found.append(error("vectors", str(fault)))
            continue
        share = float(extra.present.mean())
        figures[name] = {"dimension": extra.dimension, "share": share}
        found.append(
            info("vectors", f"{share:.0%} of the items have a vector of {extra.dimension} numbers in '{name}'.")
        )
    return {"vectors": figures}, found
