from collections.abc import Sequence

import numpy as np

from recloop.compose.fusion.fused import Fused, shares, summed
from recloop.compose.fusion.norms import Calibration, Scale, scaled
from recloop.data.rankings import Rankings


def weighted_score(
    rankings: Sequence[Rankings],
    k: int,
    *,
    weights: Sequence[float] | None = None,
    scale: Scale = "min-max",
    calibrations: Sequence[Calibration] | None = None,
) -> Fused:
    """Weighted sum of scores (CombSUM), each ranking brought to one scale per request first.

    An item that a ranking does not hold counts there as its worst one: 0. With equal weights it is CombSUM divided by
    the number of rankings. Fox & Shaw, "Combination of multiple searches", TREC-2 1994.

    Args:
        rankings: m rankings of the same n requests.
        k: places of the answer.
        weights: m weights >= 0, not all 0; equal where None. They are divided by their sum.
        scale: see ``recloop.compose.fusion.scaled``; the answer is in [0, 1] but for ``z-score``.
        calibrations: one per ranking, for the scale ``calibrated``.

    Raises:
        SettingError: the weights are negative, sum to zero or are not one per ranking; a score is not a finite number;
            the scale is ``calibrated`` and there are no calibrations.

    >>> import numpy as np
    >>> a = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[9.0, 8.0, 5.0]], np.float32))
    >>> b = Rankings(np.array([[1, 0]], np.int32), np.array([[0.2, 0.1]], np.float32))
    >>> weighted_score([a, b], 3, weights=[1, 3]).rankings.scores.tolist()
    [[0.9375, 0.25, 0.0]]
    """
    return _combined(rankings, k, weights, scale, calibrations, times_held=False)


def comb_mnz(
    rankings: Sequence[Rankings],
    k: int,
    *,
    weights: Sequence[float] | None = None,
    scale: Scale = "min-max",
    calibrations: Sequence[Calibration] | None = None,
) -> Fused:
    """As ``weighted_score``, times the share of the rankings that hold the item: agreement counts twice.

    Fox & Shaw's CombMNZ multiplies by their number; divided by the number of rankings the answer stays in [0, 1]. As
    in Lee, "Analyses of multiple evidence combination", SIGIR 1997, a ranking that holds an item counts although its
    scaled score may be 0.

    >>> import numpy as np
    >>> a = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[9.0, 8.0, 5.0]], np.float32))
    >>> b = Rankings(np.array([[1, 3]], np.int32), np.array([[0.2, 0.1]], np.float32))
    >>> fused = comb_mnz([a, b], 4)
    >>> fused.rankings.items.tolist(), fused.rankings.scores.tolist()
    ([[1, 0, 2, 3]], [[0.875, 0.25, 0.0, 0.0]])
    """
    return _combined(rankings, k, weights, scale, calibrations, times_held=True)


def _combined(
    rankings: Sequence[Rankings],
    k: int,
    weights: Sequence[float] | None,
    scale: Scale,
    calibrations: Sequence[Calibration] | None,
    *,
    times_held: bool,
) -> Fused:
    meant = calibrations if calibrations is not None else [None] * len(rankings)
    given = [
        share * scaled(ranking, scale, calibration)
        for share, ranking, calibration in zip(shares(len(rankings), weights), rankings, meant, strict=True)
    ]
    return summed(rankings, np.concatenate(given, axis=1, dtype=np.float64), k, times_held=times_held)
