"""A release: trained strategies, policies and the catalogue in one folder that a service can load and trust."""

import json
import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose import Catalogue, Policy, PolicyConfig, build, policy_config
from recloop.compose.business.settings import STANDARD
from recloop.compose.config import columns_of
from recloop.compose.facets import Facets
from recloop.compose.filters import Filters
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.search import lengths_of
from recloop.compose.steering import Steerer
from recloop.compose.typed import typed
from recloop.data.dataset import Dataset
from recloop.data.kinds import Kinds
from recloop.data.vocabulary import Vocabulary
from recloop.errors import ArtifactError, RecloopError, SettingError, nearest
from recloop.language.word_index import WordIndex
from recloop.loop.contents import objection
from recloop.loop.folder import whole_folder
from recloop.loop.gate import NO_GATE, GateConfig
from recloop.strategies import Strategy
from recloop.strategies import load as load_strategy
from recloop.strategies.index import Index, shorter

FORMAT = 1
MODELS, MODEL, OBJECTIVES = "models", ".lightgbm", "objectives"
RELEASE, CHECKSUMS, ITEMS, VECTORS, STRATEGIES = (
    "release.json",
    "checksums.json",
    "items.parquet",
    "vectors.npz",
    "strategies",
)
AGAIN = "run the plan again, or roll back to another release"


@dataclass(frozen=True)
class Release:
    """What a service loads: everything needed to answer a request, and where it came from.

    Attributes:
        folder: where it lies.
        name: unique, such as ``3-1f2e3d4c``.
        version: one more than the release before it.
        created: seconds since 1970.
        policies: name → policy, ready to choose.
        default_policy: the name of the one that answers where no experiment says otherwise.
        strategies: name → fitted strategy.
        items: the ids behind the item indices.
        catalogue: one row per item index: ``item``, ``title`` and ``available``, ``year`` and ``price``
            (null where unknown), and ``category``, ``brand``, ``provider`` and ``arrived`` (seconds since 1970) where
            the catalogue has them.
        kinds: what each kind of event is worth.
        vectors: (n_items, d) float32, or None.
        encoder: the source of the encoder that made the vectors of texts; "" where they are of behaviour.
        fingerprint: of that encoder.
        metrics: the leaderboard at release: strategy, metric, value, low, high.
        parent: the release before, "" for the first.
        plan_hash: of the run that made it.
        data_fingerprint: of the data that it was trained on.
        models: name → text of what the fusion of its policies learned.
        objectives: what was learned of the objectives that they weigh; None where none does.
        gate: what must hold of groups of users before it answers.
    """

    folder: Path
    name: str
    version: int
    created: float
    policies: Mapping[str, Policy]
    default_policy: str
    strategies: Mapping[str, Strategy]
    items: Vocabulary
    catalogue: pl.DataFrame
    kinds: Kinds
    vectors: NDArray[np.float32] | None
    encoder: str = ""
    fingerprint: str = ""
    metrics: Sequence[Mapping[str, Any]] = ()
    parent: str = ""
    plan_hash: str = ""
    data_fingerprint: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    objectives: Objectives | None = None
    gate: GateConfig = NO_GATE

    @property
    def known(self) -> Catalogue:
        """What its policies know of the items, and what their fusion learned."""
        return Catalogue(self.catalogue, self.models, self.objectives)

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """The title of each item, its id where it has none."""
        return tuple(self.catalogue["title"].to_list())

    @cached_property
    def available(self) -> NDArray[np.bool_]:
        """(n_items,) whether each item may be shown at all."""
        return self.catalogue["available"].to_numpy().astype(bool)

    @cached_property
    def steerer(self) -> Steerer:
        """What turns the wishes of a sentence into what they do to the items."""
        vectors = self.vectors if self.encoder else None
        return Steerer(Facets.of(self.catalogue), vectors, self.encoder, self.fingerprint)

    @cached_property
    def lengths(self) -> NDArray[np.float32] | None:
        """(n_items,) the length of each vector, 1 where it is 0; None where there are no vectors."""
        return None if self.vectors is None else lengths_of(self.vectors)

    @cached_property
    def nearest(self) -> Index | None:
        """Finds the items near a vector without scoring all; None where the catalogue is small, or has no vectors."""
        return None if self.vectors is None else shorter(self.vectors)

    @cached_property
    def filters(self) -> Filters:
        """What conditions on attributes of items leave."""
        return Filters.of(self.catalogue)

    @cached_property
    def words(self) -> WordIndex:
        """The words of the items: titles, categories and brands."""
        known = [name for name in ("title", "category", "brand") if name in self.catalogue.columns]
        texts = self.catalogue.select(pl.concat_str(known, separator=" ", ignore_nulls=True))
        return WordIndex.of(texts.to_series().to_list())

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over the checksums of all files: the identity of the whole."""
        return sha256((self.folder / CHECKSUMS).read_bytes()).hexdigest()

    def policy(self, name: str = "") -> Policy:
        """A policy by name, the default one for "".

        Raises:
            SettingError: there is none of that name; the nearest is offered.
        """
        if name and name not in self.policies:
            raise SettingError(f"release '{self.name}' has no policy '{name}'", advice=nearest(name, self.policies))
        return self.policies[name or self.default_policy]


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
        _seal(draft, header)
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
        _seal(draft, header)
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
        _seal(draft, header)
    return target


def alike(one: Path, other: Path, policy: str) -> bool:
    """Whether two releases choose alike by a policy: the same policy over the same strategies and catalogue.

    Raises:
        ArtifactError: a folder is no release.
    """
    headers = [_json(folder / RELEASE) for folder in (one, other)]
    if any(policy not in header["policies"] for header in headers):
        return False
    files = [{k: v for k, v in _json(folder / CHECKSUMS).items() if k != RELEASE} for folder in (one, other)]
    return bool(headers[0]["policies"][policy] == headers[1]["policies"][policy] and files[0] == files[1])


def versions(folders: Iterable[Path]) -> list[tuple[int, str]]:
    """Version and name of each folder that holds a release; others are passed over."""
    found = []
    for folder in folders:
        try:
            header = _json(folder / RELEASE)
            found.append((int(header["version"]), str(header["name"])))
        except (ArtifactError, KeyError, ValueError):
            continue
    return found


def verify(folder: Path) -> dict[str, Any]:
    """Check every file of a release against its checksum, and that it is what its name says; gives back the header.

    Raises:
        ArtifactError: the folder is no release, is of another format, or a file is damaged, missing or unexpected,
            or is nothing that a release may hold, such as a pickle.
    """
    expected = _json(folder / CHECKSUMS)
    found = _checksums(folder)
    for file in sorted(expected.keys() | found.keys()):
        if file not in found:
            raise ArtifactError(f"the file {file} of the release {folder} is missing", advice=AGAIN)
        if file not in expected:
            raise ArtifactError(
                f"the file {file} in {folder} is not part of the release",
                allowed="a release holds only files that its checksums name",
                advice="remove it if you know it",
            )
        if found[file] != expected[file]:
            raise ArtifactError(
                f"the file {file} of the release {folder} is damaged: its SHA-256 is not the one written", advice=AGAIN
            )
        if why := objection(folder / file):
            raise ArtifactError(f"the file {file} of the release {folder} is refused: {why}", advice=AGAIN)
    header = _json(folder / RELEASE)
    if header.get("format") != FORMAT:
        raise ArtifactError(
            f"the release {folder} has the format {header.get('format')}",
            allowed=f"format {FORMAT} is wanted",
            advice=AGAIN,
        )
    return header


def load(folder: Path) -> Release:
    """The release in a folder, after every file of it was checked. Nothing is unpickled.

    Raises:
        ArtifactError: see ``verify``; or a file holds what it should not.
    """
    header = verify(folder)
    try:
        _agree(folder, header)
        strategies = {name: load_strategy(folder / STRATEGIES / name) for name in header["strategies"]}
        catalogue = pl.read_parquet(folder / ITEMS)
        vectors = None
        if (folder / VECTORS).exists():
            with np.load(folder / VECTORS, allow_pickle=False) as stored:
                vectors = stored["vectors"].astype(np.float32)
        models = {path.stem: path.read_text("utf-8") for path in (folder / MODELS).glob(f"*{MODEL}")}
        objectives = Objectives.load(folder / OBJECTIVES, vectors) if (folder / OBJECTIVES).exists() else None
        known = Catalogue(catalogue, models, objectives)
        policies = {
            name: build(policy_config(config, f"policies.{name}"), strategies, vectors, catalogue=known)
            for name, config in header["policies"].items()
        }
        return Release(
            folder=folder,
            name=header["name"],
            version=header["version"],
            created=header["created"],
            policies=policies,
            default_policy=header["default_policy"],
            strategies=strategies,
            items=Vocabulary(catalogue["item"].to_list()),
            catalogue=catalogue,
            kinds=Kinds(**header["kinds"]),
            vectors=vectors,
            encoder=header["encoder"]["source"],
            fingerprint=header["encoder"]["fingerprint"],
            metrics=header["metrics"],
            parent=header["parent"],
            plan_hash=header["plan_hash"],
            data_fingerprint=header["data_fingerprint"],
            models=models,
            objectives=objectives,
            gate=typed(GateConfig, header.get("gate", {}), "gate"),
        )
    except ArtifactError:
        raise
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, pl.exceptions.PolarsError, RecloopError) as error:
        raise ArtifactError(f"the release {folder} cannot be loaded: {error}", advice=AGAIN) from error


def _agree(folder: Path, header: Mapping[str, Any]) -> None:
    """Raise where the header names what the release does not hold."""
    if header["default_policy"] not in header["policies"]:
        reason = f"the default policy '{header['default_policy']}' is not among its policies"
        raise ArtifactError(f"the release {folder} cannot be loaded: {reason}", advice=AGAIN)
    held = {path.name for path in (folder / STRATEGIES).iterdir()}
    for name in sorted(held ^ set(header["strategies"])):
        reason = f"the header and the folder disagree about the strategy '{name}'"
        raise ArtifactError(f"the release {folder} cannot be loaded: {reason}", advice=AGAIN)


def _seal(draft: Path, header: Mapping[str, Any]) -> None:
    (draft / RELEASE).write_text(json.dumps(header, indent=2, allow_nan=False), encoding="utf-8")
    (draft / CHECKSUMS).write_text(json.dumps(_checksums(draft), indent=2), encoding="utf-8")


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


def _checksums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != CHECKSUMS:
            with path.open("rb") as file:
                sums[path.relative_to(folder).as_posix()] = file_digest(file, "sha256").hexdigest()
    return sums


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArtifactError(f"{path.parent} holds no readable release: {path.name}: {reason}", advice=AGAIN) from error
    if not isinstance(value, dict):
        raise ArtifactError(f"{path.parent} holds no readable release: {path.name} is no table", advice=AGAIN)
    return value
