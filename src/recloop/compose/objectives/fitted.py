"""Everything that objectives need at serving: item table, scales, ranker; as JSON and npz, never a pickle."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.compose.objectives.catalogue import MODELLED
from recloop.compose.objectives.config import ObjectivesConfig
from recloop.compose.objectives.items import ItemTable
from recloop.compose.objectives.offered import Offered
from recloop.compose.objectives.ranker import MultiTask
from recloop.compose.objectives.scale import Scale
from recloop.compose.objectives.signals import Terms, signal
from recloop.data.dataset import Dataset
from recloop.errors import ArtifactError, SettingError

HEADER, ARRAYS = "objectives.json", "objectives.npz"
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Objectives:
    """What was learned of objectives on one data set.

    Attributes:
        table: of the items.
        scales: objective, or exposure → its scale.
        ranker: foretells click, conversion and satisfaction; None where no objective asks for them.
        terms: half-life and share of new items.
        provider: the column of providers.
        statements: what each constraint reached, in sentences.
    """

    table: ItemTable
    scales: Mapping[str, Scale]
    ranker: MultiTask | None
    terms: Terms
    provider: str = "brand"
    statements: tuple[str, ...] = field(default_factory=tuple)

    def values(self, offered: Offered, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Objective or exposure → (n, m) in its own unit; NaN where unknown and in padding.

        Raises:
            SettingError: the data does not hold what one is made of.
        """
        asked = self.ranker is not None and any(name in MODELLED for name in names)
        told = self.ranker.predict(offered, self.table) if asked and self.ranker is not None else {}
        return {name: signal(name, offered, self.table, told, self.terms) for name in names}

    def check(self, config: ObjectivesConfig) -> None:
        """Whether what a policy weighs was learned.

        Raises:
            SettingError: an objective has no scale here.
        """
        for name in config.names:
            if name not in self.scales:
                raise SettingError(
                    f"the objective '{name}' was not learned with this release",
                    allowed=f"learned are: {', '.join(self.scales)}",
                    advice="run the plan again with it",
                )

    def refreshed(self, dataset: Dataset, vectors: NDArray[np.float32] | None) -> "Objectives":
        """The same scales and ranker over what a newer log and catalogue say of the items."""
        return replace(self, table=ItemTable.of(dataset, vectors, self.provider))

    def save(self, folder: Path) -> None:
        """Write ``objectives.json`` and ``objectives.npz`` into a folder, which is made; vectors are kept elsewhere."""
        folder.mkdir(parents=True, exist_ok=True)
        header = {
            "format": FORMAT,
            "scales": {name: scale.to_dict() for name, scale in self.scales.items()},
            "ranker": None if self.ranker is None else self.ranker.to_dict(),
            "terms": {"half_life": self.terms.half_life, "new_share": self.terms.new_share},
            "provider": self.provider,
            "providers": list(self.table.providers),
            "statements": list(self.statements),
        }
        (folder / HEADER).write_text(json.dumps(header, allow_nan=False), encoding="utf-8")
        taste = self.table.taste
        arrays: dict[str, NDArray[Any]] = {
            "taste_data": taste.data,
            "taste_indices": taste.indices,
            "taste_indptr": taste.indptr,
            "taste_shape": np.array(taste.shape),
            "provider": self.table.provider,
            **{f"column_{name}": column for name, column in self.table.columns.items()},
        }
        np.savez(folder / ARRAYS, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path, vectors: NDArray[np.float32] | None = None) -> Self:
        """What ``save`` wrote.

        Args:
            folder: that was saved into.
            vectors: (n_items, d) item vectors, which a release keeps once for all; None where there were none.

        Raises:
            ArtifactError: it is missing, damaged, or of another version.
        """
        try:
            header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
            with np.load(folder / ARRAYS, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            if header["format"] != FORMAT:
                raise ArtifactError(
                    f"{folder} holds objectives of format {header['format']}",
                    allowed=f"format {FORMAT} is wanted",
                    advice="run the plan again",
                )
            taste = sparse.csr_array(
                (arrays["taste_data"], arrays["taste_indices"], arrays["taste_indptr"]),
                shape=tuple(arrays["taste_shape"].tolist()),
            )
            columns = {name.removeprefix("column_"): a for name, a in arrays.items() if name.startswith("column_")}
            return cls(
                table=ItemTable.restored(columns, taste, arrays["provider"], header["providers"], vectors),
                scales={name: Scale.from_dict(scale) for name, scale in header["scales"].items()},
                ranker=None if header["ranker"] is None else MultiTask.from_dict(header["ranker"]),
                terms=Terms(**header["terms"]),
                provider=header["provider"],
                statements=tuple(header["statements"]),
            )
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise ArtifactError(
                f"{folder} holds no readable objectives ({error})", advice="run the plan again"
            ) from error
