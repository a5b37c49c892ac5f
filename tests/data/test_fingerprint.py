"""Equal data, equal fingerprint, in any version of any library."""

import time

import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.data.fingerprint import fingerprint

LOG = pl.DataFrame({"user": ["a", "b"], "item": ["x", "é"], "value": [1.0, None], "time": [1.0, 2.0]})


def test_it_is_a_fixed_number() -> None:
    """A change here makes every reused run stale: it must be on purpose."""
    assert Dataset.of(LOG).fingerprint == "979a719e3c315ac105599ba56fc37ea51d5f41a5f1c07bfdd12282f212629232"


@pytest.mark.parametrize(
    "other",
    [
        LOG.with_columns(user=pl.Series(["a", "c"])),
        LOG.with_columns(item=pl.Series(["xé", ""])),
        LOG.with_columns(value=pl.Series([None, 1.0])),
        LOG.with_columns(value=pl.Series([0.0, None])),
        LOG.with_columns(time=pl.Series([1.0, 2.5])),
        LOG.with_columns(kind=pl.lit("view")),
        LOG.head(1),
    ],
)
def test_any_change_of_the_data_changes_it(other: pl.DataFrame) -> None:
    assert Dataset.of(other).fingerprint != Dataset.of(LOG).fingerprint


def test_attributes_count() -> None:
    items = pl.DataFrame({"item": ["x"], "title": ["Soap"]})
    assert Dataset.of(LOG, items=items).fingerprint != Dataset.of(LOG).fingerprint


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (pl.Series(["a", None]), pl.Series(["a", ""])),
        (pl.Series(["ab", "c"]), pl.Series(["a", "bc"])),
        (pl.Series([1, None]), pl.Series([1, 0])),
        (pl.Series([1, 2], dtype=pl.Int32), pl.Series([1, 2], dtype=pl.Int64)),
        (pl.Series([True, False]), pl.Series([True, None])),
        (pl.Series([["a"], ["b"]]), pl.Series([["a", "b"], []], dtype=pl.List(pl.String))),
        (pl.Series([{"a": 1}]), pl.Series([{"a": 2}])),
    ],
)
def test_columns_of_every_type_are_told_apart(a: pl.Series, b: pl.Series) -> None:
    assert fingerprint(a.to_frame("x")) != fingerprint(b.to_frame("x"))
    assert fingerprint(a.to_frame("x")) == fingerprint(a.clone().to_frame("x"))


def test_writings_that_mean_the_same() -> None:
    moments = pl.Series([1_700_000_000_000], dtype=pl.Int64)
    milli, micro = moments.cast(pl.Datetime("ms")), (moments * 1000).cast(pl.Datetime("us"))
    assert fingerprint(milli.to_frame("t")) == fingerprint(micro.to_frame("t"))
    text = pl.Series(["a", "b", None])
    assert fingerprint(text.to_frame("t")) == fingerprint(text.cast(pl.Categorical).to_frame("t"))
    assert fingerprint(pl.concat([text, text]).to_frame("t")) == fingerprint(
        pl.concat([text, text], rechunk=False).to_frame("t")
    )


def test_a_million_events_take_well_under_a_second() -> None:
    rng = np.random.default_rng(0)
    n = 1_000_000
    log = pl.DataFrame(
        {"user": rng.integers(0, 6000, n), "item": rng.integers(0, 4000, n), "time": rng.random(n) * 1e9}
    )
    data = Dataset.of(log)
    start = time.process_time()
    assert len(data.fingerprint) == 64
    assert time.process_time() - start < 1.0
