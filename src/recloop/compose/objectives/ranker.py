"""What will come of each candidate: clicked, converted, how it will be liked; in calibrated numbers."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from recloop.compose.objectives.calibrated import Curve, Reliability
from recloop.compose.objectives.experts import Experts
from recloop.compose.objectives.features import feature_names, features
from recloop.compose.objectives.items import ItemTable
from recloop.compose.objectives.labels import Labels
from recloop.compose.objectives.lesson import CLICKED, CONVERTED, RATED, Lesson
from recloop.compose.objectives.offered import Offered
from recloop.compose.objectives.signals import Predictions
from recloop.compose.objectives.trees import Trees
from recloop.errors import ArtifactError, DataError

PARTS = (0.6, 0.8)  # requests up to here are learned from, up to there stopped and calibrated by; the rest judges


class Core(Protocol):
    """What learns the tasks: ``Trees`` or ``Experts``."""

    def raw(self, x: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Task → (r,), not yet calibrated."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        ...


@dataclass(frozen=True, eq=False)
class MultiTask:
    """A ranker that foretells click, conversion and satisfaction of candidates.

    Attributes:
        kind: ``trees`` or ``experts``.
        sources: the strategies whose scores it reads, in order.
        core: what was learned.
        curves: click, conversion → calibration.
        reliability: the same → how far it can be trusted, on requests that nothing was learned from.
        stars: the least and the greatest rating; None where ratings were not learned.
        error: root mean squared error of the ratings of those requests, and that of foretelling their mean.
        meaning: of a conversion, in words.
    """

    kind: Literal["trees", "experts"]
    sources: tuple[str, ...]
    core: Core
    curves: dict[str, Curve]
    reliability: dict[str, Reliability]
    stars: tuple[float, float] | None
    error: tuple[float, float] | None
    meaning: str

    @classmethod
    def learn(
        cls,
        offered: Offered,
        table: ItemTable,
        labels: Labels,
        *,
        kind: Literal["trees", "experts"] = "trees",
        seed: int = 0,
    ) -> Self:
        """Learned from requests whose outcome is known.

        Args:
            offered: n requests, in an order of chance: the first 60% are learned from, the next 20% stop and calibrate,
                the rest judge.
            table: of the items.
            labels: what came of the candidates.
            kind: what learns.
            seed: of all chance.

        Raises:
            DataError: too few candidates were clicked.
            ExtraError: LightGBM, or torch, is not installed.
        """
        held, n = offered.held, len(offered.histories)
        if int((labels.click & held).sum()) < CLICKED:
            raise DataError(
                f"{int((labels.click & held).sum())} candidates of {n} requests were clicked in the held-out events",
                allowed=f"at least {CLICKED} are needed to foretell clicks",
                advice="take more users (objectives.users), more candidates, or leave out objectives that need a model",
            )
        x = features(offered, table, tuple(offered.sources))
        ends = [0, round(PARTS[0] * n), round(PARTS[1] * n), n]
        rng = np.random.default_rng(seed)
        learned, stopped, judged = (
            Lesson.of(x[a:b], labels.take(a, b), held[a:b], rng if a == 0 else None) for a, b in pairwise(ends)
        )
        convert = labels.convert is not None and int(labels.convert[held].sum()) >= CONVERTED
        rated = labels.rating is not None and int(np.isfinite(labels.rating[held]).sum()) >= RATED
        learned, stopped, judged = (part.only(convert=convert, rating=rated) for part in (learned, stopped, judged))
        core: Trees | Experts = (Trees if kind == "trees" else Experts).learn(learned, stopped, seed)
        raw, check = core.raw(stopped.x), core.raw(judged.x)
        curves: dict[str, Curve] = {}
        reliability: dict[str, Reliability] = {}
        for task in ("click", "conversion"):
            came = (stopped.click, judged.click) if task == "click" else (stopped.convert, judged.convert)
            if task in raw and came[0] is not None and came[1] is not None:
                curves[task] = Curve.of(raw[task], came[0])
                reliability[task] = Reliability.of(check[task], curves[task](check[task]), came[1])
        stars, error, known = None, None, judged.rated()
        if "satisfaction" in check and known is not None and labels.rating is not None:
            stars = (float(np.nanmin(labels.rating)), float(np.nanmax(labels.rating)))
            there = np.isfinite(judged.rating) if judged.rating is not None else np.zeros(0, bool)
            miss = np.clip(check["satisfaction"][there], *stars) - known[1]
            error = (float(np.sqrt((miss**2).mean())), float(known[1].std()))
        return cls(kind, tuple(offered.sources), core, curves, reliability, stars, error, labels.meaning)

    def predict(self, offered: Offered, table: ItemTable) -> Predictions:
        """Task → (n, m) probability of a click, probability of a conversion, stars; NaN in padding."""
        held = offered.held
        raw = self.core.raw(features(offered, table, self.sources)[held])
        found = {task: _spread(curve(raw[task]), held) for task, curve in self.curves.items()}
        if "conversion" in found:  # two curves: nothing converts more often than it is clicked
            found["conversion"] = np.minimum(found["conversion"], found["click"])
        if self.stars is not None and "satisfaction" in raw:
            found["satisfaction"] = _spread(np.clip(raw["satisfaction"], *self.stars), held)
        return found

    @property
    def features(self) -> tuple[str, ...]:
        """The names of what it reads."""
        return feature_names(self.sources)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "kind": self.kind,
            "sources": list(self.sources),
            "core": self.core.to_dict(),
            "curves": {task: curve.to_dict() for task, curve in self.curves.items()},
            "reliability": {task: found.to_dict() for task, found in self.reliability.items()},
            "stars": self.stars,
            "error": self.error,
            "meaning": self.meaning,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """What ``to_dict`` gave.

        Raises:
            ArtifactError: it is damaged.
        """
        try:
            kinds: dict[str, type[Trees | Experts]] = {"trees": Trees, "experts": Experts}
            core = kinds[plain["kind"]].from_dict(plain["core"])
            return cls(
                kind=plain["kind"],
                sources=tuple(plain["sources"]),
                core=core,
                curves={task: Curve.from_dict(curve) for task, curve in plain["curves"].items()},
                reliability={task: Reliability.from_dict(found) for task, found in plain["reliability"].items()},
                stars=None if plain["stars"] is None else tuple(plain["stars"]),
                error=None if plain["error"] is None else tuple(plain["error"]),
                meaning=plain["meaning"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"the objectives' model is damaged ({error})", advice="train again") from error


def _spread(values: NDArray[np.float64], held: NDArray[np.bool_]) -> NDArray[np.float64]:
    found = np.full(held.shape, np.nan)
    found[held] = values
    return found
