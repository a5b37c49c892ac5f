from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import polars as pl

from recloop.compose import Catalogue, build, policy_config
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.typed import typed
from recloop.data.kinds import Kinds
from recloop.data.vocabulary import Vocabulary
from recloop.errors import ArtifactError, RecloopError
from recloop.loop.gate import GateConfig
from recloop.loop.release.layout import ITEMS, MODEL, MODELS, OBJECTIVES, STRATEGIES, VECTORS
from recloop.loop.release.release import Release
from recloop.loop.release.sealed import AGAIN, verify
from recloop.strategies import load as load_strategy


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
