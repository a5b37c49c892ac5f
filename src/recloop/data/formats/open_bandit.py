"""Open Bandit logs: decisions of a known policy, with propensities.

Source: Saito, Aihara, Matsutani & Narita 2021, "Open Bandit Dataset and Pipeline"; https://research.zozo.com/data.html.
"""

import polars as pl

from recloop.data.formats.base import Format, Options, Table
from recloop.data.formats.delimited import Dialect, rows
from recloop.data.formats.files import Content
from recloop.data.problems import Problems
from recloop.errors import DataError

COLUMNS = ("timestamp", "item_id", "position", "click", "propensity_score")
_USER = "user_feature_"


def _sniff(content: Content) -> str:
    if content.lines and set(COLUMNS) <= set(content.lines[0].split(",")):
        return "its header has click, position and propensity_score"
    return ""


def _load(content: Content, options: Options, problems: Problems) -> Table:
    """The rows with the columns that matter: affinities are left in the file."""
    if not content.lines:
        raise DataError(f"{content.path.name} is empty", allowed="at least one row is needed")
    names = tuple(name or "row" for name in content.lines[0].split(","))
    wanted = [*COLUMNS, *(name for name in names if name.startswith(_USER))]
    return rows(content.decoded(options.encoding), Dialect(",", '"', names, header=True), wanted, problems)


def _finish(frame: pl.DataFrame) -> pl.DataFrame:
    """Events of it: who saw what; users are told apart only by their features."""
    features = [name for name in frame.columns if name.startswith(_USER)]
    return frame.with_columns(
        user=pl.concat_str(features, separator="/"),
        kind=pl.when(pl.col("click") == "1").then(pl.lit("click")).otherwise(pl.lit("impression")),
    )


OPEN_BANDIT = Format(
    name="open-bandit",
    summary="Open Bandit logs: decisions with propensities; users are told apart by their features",
    sniff=_sniff,
    load=_load,
    roles=("events",),
    columns={"user": "user", "item": "item_id", "kind": "kind", "time": "timestamp"},
    finish=_finish,
)
