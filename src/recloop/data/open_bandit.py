"""Open Bandit logs as decisions: what was shown, with which probability, and whether it was clicked.

Source: Saito, Aihara, Matsutani & Narita 2021, "Open Bandit Dataset and Pipeline"; https://research.zozo.com/data.html.
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recloop.data.formats import Content, Options
from recloop.data.formats.files import existing
from recloop.data.formats.open_bandit import COLUMNS, OPEN_BANDIT
from recloop.data.judge import Judge
from recloop.data.problems import Problems
from recloop.errors import MissingError, SettingError, nearest


@dataclass(frozen=True)
class OpenBandit:
    """One campaign under one policy.

    Attributes:
        decisions: one row per item shown: time Float64 (seconds), user String (features joined: the log has no user
            ids), item String, position Int32 (from 1), click Float64 (0 or 1), propensity Float64 (the probability with
            which the policy showed the item at the position), and the ``user_feature_*`` columns.
        items: the item context, ``item`` String and its features; empty where there is no such file.
        problems: bad rows.
    """

    decisions: pl.DataFrame
    items: pl.DataFrame
    problems: Problems


def read_open_bandit(folder: Path | str, *, bad_rows: float = 0.01) -> OpenBandit:
    """The log in a folder such as ``obd/random/men``: ``men.csv`` and ``item_context.csv``.

    Args:
        folder: with one log, named like the folder or alone beside ``item_context.csv``.
        bad_rows: the share of bad rows above which reading stops.

    Raises:
        MissingError: the folder or the log is not there.
        SettingError: the file has not the columns of an Open Bandit log.
        DataError: too many bad rows, or a file that cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingError(f"there is no folder {folder}", advice="give the folder of one campaign and policy")
    logs = [path for path in sorted(folder.glob("*.csv*")) if not path.name.startswith("item_context")]
    if len(logs) != 1:
        raise MissingError(
            f"{folder} holds {len(logs)} logs", allowed="one CSV beside item_context.csv is needed, such as men.csv"
        )
    content = Content.read(existing(logs[0]))
    problems = Problems(logs[0].name)
    header = content.lines[0].split(",") if content.lines else []
    for column in COLUMNS if header else ():
        if column not in header:
            raise SettingError(f"{logs[0].name} has no column '{column}'", advice=nearest(column, filter(None, header)))
    table = OPEN_BANDIT.load(content, Options(), problems)
    assert OPEN_BANDIT.finish is not None
    frame = OPEN_BANDIT.finish(table.frame)
    judge = Judge(table, problems)
    decisions = pl.DataFrame(
        {
            "time": judge.time(frame["timestamp"], None).seconds,
            "user": frame["user"],
            "item": judge.id(frame["item_id"], "item id"),
            "position": judge.number(frame["position"], "position").cast(pl.Int32, strict=False),
            "click": judge.number(frame["click"], "click"),
            "propensity": judge.number(frame["propensity_score"], "propensity_score"),
        }
    ).with_columns(frame[name] for name in frame.columns if name.startswith("user_feature_"))
    for name, text in (("position", "position"), ("click", "click"), ("propensity", "propensity_score")):
        judge.fault(decisions[name].is_null(), f"missing {text}")
    judge.fault(~decisions["click"].is_in([0.0, 1.0]), "click is not 0 or 1", frame["click"])
    propensity = decisions["propensity"]
    judge.fault(
        ~((propensity > 0) & (propensity <= 1)),
        "propensity_score is not above 0 and at most 1",
        frame["propensity_score"],
    )
    problems.stop_above(bad_rows)
    return OpenBandit(judge.keep(decisions), _items(folder), problems)


def _items(folder: Path) -> pl.DataFrame:
    path = folder / "item_context.csv"
    if not path.is_file():
        return pl.DataFrame(schema={"item": pl.String})
    frame = pl.read_csv(path, schema_overrides={"item_id": pl.String})
    return frame.select(pl.col("item_id").alias("item"), pl.col("^item_feature_.*$"))
