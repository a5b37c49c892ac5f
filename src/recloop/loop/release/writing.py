import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose import Catalogue, PolicyConfig, build
from recloop.compose.business.settings import STANDARD
from recloop.compose.config import columns_of
from recloop.compose.facets import Facets
from recloop.compose.objectives.fitted import Objectives
from recloop.data.dataset import Dataset
from recloop.errors import SettingError, nearest
from recloop.loop.folder import whole_folder
from recloop.loop.gate import NO_GATE, GateConfig
from recloop.loop.release.layout import FORMAT, ITEMS, MODEL, MODELS, OBJECTIVES, STRATEGIES, VECTORS
from recloop.loop.release.sealed import seal, verify
from recloop.strategies import Strategy


def build_release(
    folder: Path,
    *,
    name: str,
    version: int,
    dataset: Dataset,
    strategies: Mapping[str, Strategy],
    policies: Mapping[str, PolicyConfig],
    default_policy: str,
    models: Mapping[str, str] | None = None,
    objectives: Objectives | None = None,
    vectors: NDArray[np.float32] | None = None,
    encoder: str = "",
    fingerprint: str = "",
    metrics: Sequence[Mapping[str, Any]] = (),
    parent: str = "",
    plan_hash: str = "",
    gate: GateConfig = NO_GATE,
    created: float | None = None,
) -> Path:
    """Write a release into a new folder: whole or not at all.

    Args:
        folder: must not exist.
        name: of the release.
        version: of the release.
        dataset: what the strategies were fitted on: catalogue, kinds, fingerprint.
        strategies: fitted, by name.
        policies: by name, over these strategies.
        default_policy: one of ``policies``.
        models: name → text of what their fusion learned.
        objectives: what was learned of the objectives that policies weigh; None where none does.
        vectors: (n_items, d) for diversity and steering.
        encoder: the source of the encoder that made the vectors of texts; "" where they are of behaviour.
        fingerprint: of that encoder.
        metrics: the leaderboard, as plain rows.
        parent: name of the release before.
        plan_hash: of the run.
        gate: what must hold of groups of users before it answers.
        created: seconds since 1970; now where None.

    Raises:
        SettingError: a policy names a strategy that is not there, or the default policy is not among them.
        ConflictError: the folder exists.
        StoreError: the disk is full or cannot be written.
    """
    if default_policy not in policies:
        raise SettingError(f"the default policy is '{default_policy}'", advice=nearest(default_policy, policies))
    catalogue = _catalogue(dataset, set().union(*map(columns_of, policies.values())))
    for config in policies.values():
        build(config, strategies, vectors, catalogue=Catalogue(catalogue, models or {}, objectives))
    header = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "created": time.time() if created is None else created,
        "parent": parent,
        "plan_hash": plan_hash,
        "data_fingerprint": dataset.fingerprint,
        "default_policy": default_policy,
        "policies": {key: msgspec.to_builtins(config) for key, config in policies.items()},
        "strategies": {key: {"strategy": value.name, **value.config()} for key, value in strategies.items()},
        "kinds": msgspec.to_builtins(asdict(dataset.kinds)),
        "encoder": {"source": encoder, "fingerprint": fingerprint},
        "metrics": [dict(row) for row in metrics],
    }
    if gate != NO_GATE:
        header["gate"] = msgspec.to_builtins(gate)
    with whole_folder(folder) as draft:
        for key, strategy in strategies.items():
            strategy.save(draft / STRATEGIES / key)
        catalogue.write_parquet(draft / ITEMS)
        for key, text in (models or {}).items():
            (draft / MODELS).mkdir(exist_ok=True)
            (draft / MODELS / f"{key}{MODEL}").write_text(text, encoding="utf-8")
        if vectors is not None:
            np.savez(draft / VECTORS, allow_pickle=False, vectors=vectors.astype(np.float32))
        if objectives is not None:
            objectives.save(draft / OBJECTIVES)
        seal(draft, header)
    return folder


def successor(folder: Path, target: Path, *, name: str, version: int, default_policy: str = "") -> Path:
    """Write the same trained strategies and policies as a release of its own, with another policy in charge.

    Args:
        folder: the release to start from; it becomes the parent.
        target: must not exist.
        name: of the new release.
        version: of the new release.
        default_policy: one of its policies; as before where "".

    Raises:
        ArtifactError: the release to start from is damaged.
        SettingError: it has no such policy.
        ConflictError: the target exists.
        StoreError: the disk is full or cannot be written.
    """
    header = verify(folder)
    policy = default_policy or header["default_policy"]
    if policy not in header["policies"]:
        raise SettingError(
            f"release '{header['name']}' has no policy '{policy}'", advice=nearest(policy, header["policies"])
        )
    header |= {"name": name, "version": version, "parent": header["name"], "default_policy": policy}
    with whole_folder(target) as draft:
        shutil.copytree(folder, draft, dirs_exist_ok=True)
        seal(draft, header)
    return target


def rebuilt(
    folder: Path,
    target: Path,
    *,
    name: str,
    version: int,
    strategies: Mapping[str, Strategy],
    more: Mapping[str, Any],
) -> Path:
    """Write a release again with some of its strategies replaced, and its item vectors in two bytes a number.

    Args:
        folder: the release to start from; it becomes the parent.
        target: must not exist.
        name: of the new release.
        version: of the new release.
        strategies: those that are replaced, by name.
        more: what else the header is to say.

    Raises:
        ArtifactError: the release to start from is damaged.
        ConflictError: the target exists.
        StoreError: the disk is full or cannot be written.
    """
    old = verify(folder)
    header = old | {"name": name, "version": version, "parent": old["name"], **more}
    with whole_folder(target) as draft:
        shutil.copytree(folder, draft, dirs_exist_ok=True)
        for key, strategy in strategies.items():
            shutil.rmtree(draft / STRATEGIES / key)
            strategy.save(draft / STRATEGIES / key)
        if (draft / VECTORS).exists():
            with np.load(draft / VECTORS, allow_pickle=False) as stored:
                vectors = stored["vectors"].astype(np.float16)
            np.savez(draft / VECTORS, allow_pickle=False, vectors=vectors)
        seal(draft, header)
    return target


def _catalogue(dataset: Dataset, more: Collection[str] = ()) -> pl.DataFrame:
    """What a release keeps of the catalogue: what everybody needs, and the columns that its policies read."""
    items, columns = dataset.items, dataset.items.columns
    title = pl.col("title").cast(pl.String).fill_null(pl.col("item")) if "title" in columns else pl.col("item")
    there = (
        pl.col("available").cast(pl.Boolean, strict=False).fill_null(value=True)
        if "available" in columns
        else pl.lit(value=True)
    )
    facets = Facets.of(items)
    known = {name: pl.Series(getattr(facets, name)).fill_nan(None) for name in ("year", "price")}
    kept = [pl.col(name).cast(pl.String) for name in ("category", "brand", "provider") if name in columns]
    kept += [_moment(items["arrived"])] if "arrived" in columns else []
    own = [name for name in columns if name in more and name not in STANDARD]
    return items.select("item", title.alias("title"), there.alias("available"), *kept, *own).with_columns(**known)


def _moment(column: pl.Series) -> pl.Expr:
    """Seconds since 1970 of a column of dates, of texts that begin with one, or of numbers that are seconds already."""
    moment = pl.col(column.name)
    if column.dtype == pl.String:
        moment = moment.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    if column.dtype == pl.String or column.dtype.is_temporal():
        moment = moment.cast(pl.Datetime("ms")).dt.epoch("ms") / 1000
    return moment.cast(pl.Float64, strict=False)
