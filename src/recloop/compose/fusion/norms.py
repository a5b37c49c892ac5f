"""Scores of different rankings brought to one scale."""

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from recloop.data.rankings import Rankings
from recloop.errors import SettingError

Scale = Literal["min-max", "z-score", "rank", "calibrated"]


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What the scores of one source mean: the chance that an item with that score is taken.

    Between two scores the chance lies on a straight line; outside it is that of the nearest.

    Attributes:
        scores: rising.
        chances: of these, in [0, 1], not falling.

    Raises:
        SettingError: the lists differ in length, are empty, or do not rise.

    >>> Calibration(scores=[0.0, 2.0], chances=[0.1, 0.3]).of(np.array([-1.0, 1.0, 5.0])).round(6).tolist()
    [0.1, 0.2, 0.3]
    """

    scores: list[float]
    chances: list[float]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.scores, self.scores[1:], strict=False))
        kept = all(a <= b for a, b in zip(self.chances, self.chances[1:], strict=False))
        fine = 0 < len(self.scores) == len(self.chances) and rising and kept
        if not fine or not all(0 <= chance <= 1 for chance in self.chances):
            raise SettingError(
                f"a calibration has {len(self.scores)} scores and {len(self.chances)} chances that do not fit",
                allowed="as many chances as scores, at least one, both rising, the chances between 0 and 1",
            )

    def of(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """The chance of each score, in the shape of ``scores``."""
        return np.asarray(np.interp(scores, self.scores, self.chances))


def scaled(ranking: Rankings, scale: Scale, calibration: Calibration | None = None) -> NDArray[np.float64]:
    """(n, k) the scores of a ranking on a common scale, 0 in padding.

    Over the items that a row holds, a score becomes, by ``scale``:

    - ``min-max``: (score − min) / (max − min);
    - ``z-score``: (score − min) / standard deviation. Plain z-scores, (score − mean) / deviation, have the same
      differences; but an item that a ranking does not hold would get their mean, and rise above retrieved ones.
    - ``rank``: 1 − (rank − 1) / number of items (Lee, "Analyses of multiple evidence combination", SIGIR 1997);
    - ``calibrated``: the chance that ``calibration`` tells.

    The first two give 1 to each item of a row whose scores are all equal. Montague & Aslam, "Relevance score
    normalization for metasearch", CIKM 2001.

    Raises:
        SettingError: a score is NaN or infinite; the scale is unknown, or calibrated without a calibration.

    >>> one = Rankings(np.array([[5, 3, 9, -1]], np.int32), np.array([[8.0, 6.0, 4.0, -np.inf]], np.float32))
    >>> scaled(one, "min-max").tolist(), scaled(one, "rank").round(3).tolist()
    ([[1.0, 0.5, 0.0, 0.0]], [[1.0, 0.667, 0.333, 0.0]])
    """
    held = ranking.items >= 0
    scores = np.where(held, ranking.scores, 0.0).astype(np.float64)
    if not np.isfinite(scores).all():
        raise SettingError(
            "a ranking holds an item whose score is not a finite number",
            allowed="scores are finite",
            advice="leave such items out, or let the fallback answer",
        )
    if scale == "rank":
        count = np.maximum(held.sum(axis=1, keepdims=True), 1)
        return np.where(held, 1.0 - np.arange(ranking.k) / count, 0.0)
    if scale == "calibrated":
        if calibration is None:
            raise SettingError(
                "scores are to be calibrated, and there is no calibration",
                advice="let a run learn it, or choose another scale: min-max, z-score, rank",
            )
        return np.where(held, calibration.of(scores), 0.0)
    low = np.where(held, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    scores = np.where(held, scores - np.where(np.isfinite(low), low, 0.0), 0.0)
    if scale == "min-max":
        spread = scores.max(axis=1, keepdims=True, initial=0.0)
    elif scale == "z-score":
        count = np.maximum(held.sum(axis=1, keepdims=True), 1)
        mean = scores.sum(axis=1, keepdims=True) / count
        spread = np.sqrt((np.where(held, scores - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    else:
        raise SettingError(f"the scale is {scale!r}", allowed="min-max, z-score, rank or calibrated")
    flat = spread <= 0
    return np.where(held, np.where(flat, 1.0, scores / np.where(flat, 1.0, spread)), 0.0)


def calibrations(names: tuple[str, ...], known: Mapping[str, Calibration]) -> list[Calibration]:
    """The calibration of each source by name.

    Raises:
        SettingError: one has none.

    >>> calibrations(("ease",), {})
    Traceback (most recent call last):
    recloop.errors.SettingError: the scores of 'ease' are to be calibrated, and it has no calibration; ...
    """
    for name in names:
        if name not in known:
            raise SettingError(
                f"the scores of '{name}' are to be calibrated, and it has no calibration",
                advice="let a run learn it, or choose another scale: min-max, z-score, rank",
            )
    return [known[name] for name in names]
