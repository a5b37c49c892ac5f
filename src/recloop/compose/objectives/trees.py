"""Click, conversion and rating from gradient-boosted trees, kept as LightGBM's text."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recloop.compose.fusion.learned import blend
from recloop.compose.objectives.lesson import Lesson
from recloop.errors import ArtifactError

ROUNDS = 300
PATIENCE = 20  # rounds without a better validation
FLOOR = 1e-9


@dataclass(frozen=True, eq=False)
class Trees:
    """One forest for each task, over the same features.

    The forest of conversions is learned on all candidates, not on clicked ones only: P(convert) = P(click) σ(f), with
    the cross-entropy of conversions over the entire space and P(click) as the click forest gives it (Ma et al. 2018,
    "Entire space multi-task model", SIGIR, whose two towers are two forests here). So σ(f) is the chance of a
    conversion after a click without the bias of who clicks.

    Attributes:
        texts: task (click, conversion, satisfaction) → LightGBM's text of its forest.
    """

    texts: dict[str, str]

    @classmethod
    def learn(cls, lesson: Lesson, held: Lesson, seed: int) -> Self:
        """Learned from a lesson, each forest as long as it gets better on another one.

        Raises:
            ExtraError: LightGBM is not installed.
        """
        lightgbm = blend("the objectives' model 'trees'")
        shared = _shared(seed)
        found: dict[str, str] = {}

        def grow(
            x: NDArray[np.float32], y: NDArray[np.float64], w: NDArray[np.float64], other: Any, **more: Any
        ) -> Any:
            train = lightgbm.Dataset(x, label=y, weight=w, params=_QUIET)
            valid = lightgbm.Dataset(other[0], label=other[1], weight=other[2], reference=train)
            stop = lightgbm.early_stopping(PATIENCE, verbose=False)
            feval = more.pop("feval", None)
            return lightgbm.train(shared | more, train, ROUNDS, valid_sets=[valid], callbacks=[stop], feval=feval)

        click = grow(
            lesson.x, lesson.click, lesson.weight, (held.x, held.click, held.weight), objective="binary",
            metric="binary_logloss",
        )  # fmt: skip
        found["click"] = click.model_to_string()
        if lesson.convert is not None and held.convert is not None:
            loss = _Entire(click.predict(lesson.x), click.predict(held.x))
            forest = grow(
                lesson.x, lesson.convert, lesson.weight, (held.x, held.convert, held.weight),
                objective=loss.gradient, metric="None", feval=loss.value,
            )  # fmt: skip
            found["conversion"] = forest.model_to_string()
        rated, rated_held = lesson.rated(), held.rated()
        if rated is not None and rated_held is not None:
            ones, others = np.ones(len(rated[1])), np.ones(len(rated_held[1]))
            forest = grow(
                rated[0], rated[1], ones, (rated_held[0], rated_held[1], others), objective="regression",
                metric="l2", min_data_in_leaf=max(5, min(100, len(rated[1]) // 50)),
            )  # fmt: skip
            found["satisfaction"] = forest.model_to_string()
        return cls(found)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What is foretold."""
        return tuple(self.texts)

    def raw(self, x: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Task → (r,): P(click), P(click) P(convert | click), stars; not yet calibrated."""
        boosters = self._boosters
        found = {"click": np.asarray(boosters["click"].predict(x, num_threads=1), dtype=np.float64)}
        if "conversion" in boosters:
            given = expit(np.asarray(boosters["conversion"].predict(x, raw_score=True, num_threads=1)))
            found["conversion"] = found["click"] * given
        if "satisfaction" in boosters:
            found["satisfaction"] = np.asarray(boosters["satisfaction"].predict(x, num_threads=1), dtype=np.float64)
        return found

    @cached_property
    def _boosters(self) -> dict[str, Any]:
        lightgbm = blend("the objectives' model 'trees'")
        try:
            return {task: lightgbm.Booster(model_str=text) for task, text in self.texts.items()}
        except lightgbm.basic.LightGBMError as error:
            raise ArtifactError("a forest of objectives cannot be read", advice="train again") from error

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"texts": self.texts}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """What ``to_dict`` gave."""
        return cls(dict(plain["texts"]))


class _Entire:
    """The loss of conversions over all candidates, given the chance of a click."""

    def __init__(self, click: NDArray[np.float64], held: NDArray[np.float64]) -> None:
        self.click, self.held = np.clip(click, FLOOR, 1 - FLOOR), np.clip(held, FLOOR, 1 - FLOOR)

    def gradient(self, raw: NDArray[np.float64], data: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of -z log p - (1 - z) log(1 - p) with p = c σ(f), by f; the second is Gauss-Newton's, which is positive.

        LightGBM leaves weights to the loss.
        """
        z, w, given = data.get_label(), _weights(data), expit(raw)
        p = np.clip(self.click * given, FLOOR, 1 - FLOOR)
        first = (p - z) / (1 - p) * (1 - given)
        second = p * (1 - given) ** 2 / (1 - p)
        return first * w, np.maximum(second * w, FLOOR)

    def value(self, raw: NDArray[np.float64], data: Any) -> tuple[str, float, bool]:
        """The loss on the lesson held out."""
        z, w = data.get_label(), _weights(data)
        p = np.clip(self.held * expit(raw), FLOOR, 1 - FLOOR)
        loss = -(z * np.log(p) + (1 - z) * np.log1p(-p))
        return "entire space", float(np.average(loss, weights=w)), False


_QUIET = {"verbosity": -1, "num_threads": 1}


def _weights(data: Any) -> NDArray[np.float64]:
    """The weights of rows; LightGBM forgets them where all are 1."""
    weights = data.get_weight()
    return np.ones(len(data.get_label())) if weights is None else weights


def _shared(seed: int) -> dict[str, Any]:
    return _QUIET | {
        "learning_rate": 0.1,
        "num_leaves": 15,
        "min_data_in_leaf": 100,
        "lambda_l2": 1.0,
        "deterministic": True,
        "force_col_wise": True,
        "seed": seed % 2**31,
    }
