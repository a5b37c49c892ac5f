"""Recommendations for many users at once, as one Parquet file."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.app.log_histories import histories_of
from recloop.app.overlay import SPARE, Overlay, overlay_of
from recloop.compose import Policy
from recloop.compose.policy import Choices, State
from recloop.compose.rules import Rules
from recloop.data.histories import Histories
from recloop.errors import DataError, SettingError
from recloop.loop.folder import only_one, whole_file
from recloop.loop.release import Release
from recloop.progress import SILENT, Progress
from recloop.store.overrides import Override

BLOCK = 10_000  # users in a part
SETTINGS = "batch.json"


@dataclass(frozen=True, slots=True)
class Batched:
    """What became of a batch.

    Attributes:
        file: where the slates are.
        users: how many there were.
        rows: items in all slates.
        empty: users whose slate has no item.
        fallbacks: slates in which something stood in for a strategy that failed.
        blocks: parts that were made.
        resumed: parts that an earlier try had made already.
        policy: that made the slates.
        release: whose policy it is.
        now: seconds since 1970 for which they were made; None where no event has a time.
    """

    file: Path
    users: int
    rows: int
    empty: int
    fallbacks: int
    blocks: int
    resumed: int
    policy: str
    release: str
    now: float | None


def recommend_all(
    release: Release,
    log: pl.DataFrame,
    target: Path,
    *,
    users: Sequence[str] | None = None,
    policy: str = "",
    state: State | None = None,
    k: int = 10,
    seed: int = 0,
    block: int = BLOCK,
    overrides: Sequence[Override] = (),
    progress: Progress = SILENT,
) -> Batched:
    """Write the slates of users into a Parquet file: ``user, rank, item, score, source, arm, propensity``.

    The file appears whole or not at all. Parts that are done wait in a folder beside it, so that a batch that was cut
    off goes on where it was; a batch with other settings or other data begins anew. The same settings and data give the
    same slates, whatever the size of a block: the moment is that of the last event, not the clock's.

    Args:
        release: what answers.
        log: ``user, item, kind, value, time``, see ``log_of``.
        target: the file to write; what is there stays until the new one is whole.
        users: whose slates; all of the log, sorted, where None. Those that the log does not know get what the policy
            shows to strangers.
        policy: of the release; the default one for "".
        state: what the policy has learned; nothing where None.
        k: items of a slate, at most.
        seed: of the policy's randomness.
        block: users in a part.
        overrides: what people put over the policy, oldest first: those in force for these users.
        progress: told of users.

    Raises:
        SettingError: there is no such policy, or ``k`` or ``block`` is below 1.
        DataError: there is no user.
        ConflictError: another process writes the same file.
        StoreError: the file cannot be written.
    """
    for name, number in (("k", k), ("block", block)):
        if number < 1:
            raise SettingError(f"{name} is {number}", allowed=f"{name} must be at least 1")
    chosen = release.policy(policy)
    name = policy or release.default_policy
    known = sorted(log["user"].unique().to_list()) if users is None else list(dict.fromkeys(users))
    if not known:
        raise DataError("there is no user to recommend to", advice="load a log: recloop load; or name users")
    last = log["time"].max()
    now = float(last) if isinstance(last, int | float) else float("nan")
    histories = histories_of(log, known, release, now)
    learned = chosen.initial_state() if state is None else state
    wanted = {
        "release": release.checksum, "policy": name, "state": learned, "k": k, "seed": seed, "block": block,
        "data": _fingerprint(histories, known), "overrides": [one.id for one in overrides],
    }  # fmt: skip
    overlay = overlay_of(overrides, release.items)
    overlay = overlay and overlay.over(chosen)
    parts = target.with_name(f".{target.name}.parts")
    with only_one(parts, "a batch"):
        _begin(parts, wanted)
        rows = empty = fallbacks = resumed = 0
        starts = range(0, len(known), block)
        files = [parts / f"{number:06d}.parquet" for number in range(len(starts))]
        with progress.task(f"Slates of {name}", total=len(known)) as advance:
            for start, file in zip(starts, files, strict=True):
                part = known[start : start + block]
                if file.exists():
                    resumed += 1
                else:
                    some = histories.block(start, start + block)
                    choices = _choose(chosen, learned, some, k, seed, start, release, overlay)
                    _write(file, _table(choices, part, release))
                # counted from the file, so that a batch that was cut off counts as one that was not
                told = pl.read_parquet(file, columns=["user", "fallback"])
                rows += told.height
                empty += len(part) - told["user"].n_unique()
                fallbacks += told.filter(pl.col("fallback") != "")["user"].n_unique()
                advance(len(part))
        with whole_file(target) as draft:
            pl.scan_parquet(files).sink_parquet(draft)
        shutil.rmtree(parts)
    return Batched(
        target, len(known), rows, empty, fallbacks, len(files), resumed, name, release.name,
        None if np.isnan(now) else now,
    )  # fmt: skip


def _choose(
    policy: Policy,
    state: State,
    histories: Histories,
    k: int,
    seed: int,
    start: int,
    release: Release,
    overlay: Overlay | None,
) -> Choices:
    # one number per user: those of the users before are skipped, so that the size of a block changes nothing
    rng = np.random.Generator(np.random.PCG64(seed).advance(start))
    k = min(k, len(release.items))
    rules = Rules(allowed=None if release.available.all() else release.available)
    if overlay is None:
        return policy.choose(state, histories, k, rng, allowed=rules.allowed)
    wide = k + SPARE if overlay.widened else k
    choices = policy.choose(state, histories, wide, rng, allowed=overlay.allowed(rules).allowed)
    return overlay.laid(choices, histories, k, rules)


def _table(choices: Choices, users: Sequence[str], release: Release) -> pl.DataFrame:
    items = choices.rankings.items
    row, place = np.nonzero(items >= 0)

    def text(values: NDArray[np.object_]) -> pl.Series:
        return pl.Series(values, dtype=pl.String)

    return pl.DataFrame(
        {
            "user": text(np.array(users, dtype=object)[row]),
            "rank": (place + 1).astype(np.int32),
            "item": text(release.items.array[items[row, place]]),
            "score": choices.rankings.scores[row, place].astype(np.float32),
            "source": text(choices.sources[row, place]),
            "arm": text(choices.arms[row]),
            "propensity": choices.propensities[row],
            "fallback": text(choices.fallbacks[row]),
        }
    )


def _write(file: Path, table: pl.DataFrame) -> None:
    with whole_file(file) as draft:
        table.write_parquet(draft)


def _begin(parts: Path, wanted: dict[str, Any]) -> None:
    """Keep the parts that were made with the same settings of the same data, and no others."""
    settings = parts / SETTINGS
    text = json.dumps(wanted, sort_keys=True)
    if settings.exists() and settings.read_text(encoding="utf-8") == text:
        return
    for old in parts.glob("*.parquet"):
        old.unlink()
    with whole_file(settings) as draft:
        draft.write_text(text, encoding="utf-8")


def _fingerprint(histories: Histories, users: Sequence[str]) -> str:
    digest = sha256("\n".join(users).encode())
    for array in (
        histories.indptr,
        histories.items,
        histories.weights,
        histories.times,
        histories.ratings,
        histories.now,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
