"""What runs, experiments and files say of policies, gathered so that offline judges can be held against users."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from recloop.app.readout import read_trial
from recloop.errors import DataError, MissingError, RecloopError
from recloop.evaluate.off_policy.reading import FORMATS
from recloop.evaluate.opinions import LIVE, Opinion
from recloop.experiments.designs import is_interleaving
from recloop.loop.run import EVALUATION
from recloop.stats import Effect
from recloop.store import Store
from recloop.store.experiments import DRAFT

Z = 1.959964
CLICK_RATE = "click_rate"  # of slates: what is read of a simulation
COLUMNS = ("judge", "policy", "control", "lift")


@dataclass(frozen=True, slots=True)
class Gathered:
    """Opinions, and what could not be read, with the reason."""

    opinions: tuple[Opinion, ...]
    left_out: tuple[str, ...]


def gather(store: Store, now: float, *, runs: Sequence[Path] = (), files: Sequence[Path] = ()) -> Gathered:
    """Everything that is known: live experiments of the store, the runs behind its releases, and files.

    Args:
        store: experiments, and the releases whose runs are read beside ``runs``.
        now: seconds since 1970.
        runs: more folders of runs.
        files: tables of opinions, or what ``recloop evaluate --off-policy --json`` or ``recloop simulate --json``
            printed; see ``opinions_of``.

    Raises:
        MissingError: a folder or file is not there.
        DataError: a file that cannot be read.
    """
    live, left_out = _live(store, now)
    pairs = sorted({one.pair for one in live})
    made = [Path(entry.path).parent for entry in store.releases.all()]
    folders = dict.fromkeys([*runs, *(folder for folder in made if (folder / EVALUATION).is_file())])
    found = [*live, *(one for folder in folders for one in held_out(folder, pairs))]
    found += [one for file in files for one in opinions_of(file, pairs)]
    return Gathered(tuple(found), tuple(left_out))


def _live(store: Store, now: float) -> tuple[list[Opinion], list[str]]:
    found: list[Opinion] = []
    left_out = []
    for record in store.experiments.all():
        if record.state == DRAFT or is_interleaving(record.definition):
            continue
        try:
            trial = read_trial(store, record.name, now)
        except RecloopError as error:
            left_out.append(f"{record.name}: {error.given}")
            continue
        if trial.readout.hidden:
            left_out.append(f"{record.name}: {trial.readout.hidden}")
            continue
        policies = {name: variant["policy"] for name, variant in record.definition["variants"].items()}
        for one in trial.readout.of(trial.experiment.primary):
            if one.fixed is None or not one.fixed.bounded:
                left_out.append(f"{record.name}, {one.treatment}: {one.reason or 'the control is not clear of zero'}")
                continue
            end = record.stopped or now
            found.append(
                Opinion(policies[one.treatment], policies[one.control], LIVE, one.fixed.relative, _error(one.fixed),
                        one.metric, record.name, end)
            )  # fmt: skip
    return found, left_out


def _error(effect: Effect) -> float:
    return (effect.relative_high - effect.relative_low) / (2 * Z)


def held_out(folder: Path, pairs: Sequence[tuple[str, str]]) -> list[Opinion]:
    """What a run says of pairs of its strategies on its first metric: the ratio of means, by user.

    Raises:
        MissingError: the folder holds no run.
    """
    if not (folder / EVALUATION).is_file():
        raise MissingError(f"{folder} holds no run", advice="name a folder that recloop run wrote")
    results = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    metric = str(results["metrics"][0]["name"])
    table = pl.read_parquet(folder / "metrics.parquet").filter(pl.col("metric") == metric)
    wide = table.pivot(on="strategy", index="user", values="value")
    time = (folder / EVALUATION).stat().st_mtime
    return [
        Opinion(policy, control, "held-out", *_ratio(wide, policy, control), metric, folder.name, time)
        for policy, control in pairs
        if policy in wide.columns and control in wide.columns
    ]


def _ratio(wide: pl.DataFrame, policy: str, control: str) -> tuple[float, float]:
    both = wide.select(policy, control).drop_nulls()
    a, b = both[policy].to_numpy(), both[control].to_numpy()
    if len(a) < 2 or b.mean() <= 0:
        return math.nan, math.nan
    ratio = float(a.mean() / b.mean())
    return ratio - 1, float(np.std(a - ratio * b, ddof=1) / (math.sqrt(len(a)) * b.mean()))


def opinions_of(file: Path, pairs: Sequence[tuple[str, str]] = ()) -> list[Opinion]:
    """The opinions in a file.

    Args:
        file: a table (``.csv``, ``.parquet``, ``.jsonl``) with ``judge, policy, control, lift``, and where known
            ``low`` and ``high`` (95%), ``metric``, ``source`` and ``time``; or a ``.json`` of ``recloop evaluate
            --off-policy --json`` or ``recloop simulate --json``, which tells of pairs of the policies that it judged.
        pairs: of which such a ``.json`` is asked.

    Raises:
        MissingError: it is not there.
        DataError: it cannot be read, or lacks a column.
    """
    if not file.is_file():
        raise MissingError(f"there is no file {file}")
    if file.suffix == ".json":
        return _judged(file, pairs)
    if file.suffix not in FORMATS:
        raise DataError(f"the file is {file.name}", allowed=f"files end in .json, {', '.join(FORMATS)}")
    table = FORMATS[file.suffix](file)
    lacking = [name for name in COLUMNS if name not in table.columns]
    if lacking:
        raise DataError(f"{file.name} has no column '{lacking[0]}'", allowed=f"needed are {', '.join(COLUMNS)}")
    return [_opinion(row, file) for row in table.iter_rows(named=True)]


def _opinion(row: dict[str, Any], file: Path) -> Opinion:
    low, high = row.get("low"), row.get("high")
    error = math.nan if low is None or high is None else (float(high) - float(low)) / (2 * Z)
    return Opinion(
        str(row["policy"]), str(row["control"]), str(row["judge"]), float(row["lift"]), error,
        str(row.get("metric") or ""), str(row.get("source") or file.name), float(row.get("time") or 0.0),
    )  # fmt: skip


def _judged(file: Path, pairs: Sequence[tuple[str, str]]) -> list[Opinion]:
    """What a command printed of pairs of policies."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        judge, metric, values = _simulated(told) if told.get("simulation") and "lines" in told else _off_policy(told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file.name} is no answer of recloop evaluate --off-policy --json or recloop simulate --json: {error}"
        ) from None
    found = []
    for policy, control in pairs:
        if policy in values and control in values and values[control][0] > 0:
            (a, s), (b, t) = values[policy], values[control]
            # as if apart: they share rounds, or users, so it is rather too large
            spread = math.hypot(s, a / b * t) / b
            found.append(Opinion(policy, control, judge, a / b - 1, spread, metric, file.name, file.stat().st_mtime))
    return found


Values = dict[str, tuple[float, float]]  # policy → value and standard error


def _off_policy(told: dict[str, Any]) -> tuple[str, str, Values]:
    z = 2 * norm.isf(told.get("alpha", 0.05) / 2)
    values = {one["policy"]: (one["value"], (one["high"] - one["low"]) / z)
              for one in told["policies"] if told["concludes"][one["policy"]]}  # fmt: skip
    return "off-policy", "", values


def _simulated(told: dict[str, Any]) -> tuple[str, str, Values]:
    values = {one["policy"]: (one["value"], (one["high"] - one["low"]) / (2 * Z))
              for one in told["lines"] if one["metric"] == CLICK_RATE and one["value"] is not None}  # fmt: skip
    return "simulated", CLICK_RATE, values
