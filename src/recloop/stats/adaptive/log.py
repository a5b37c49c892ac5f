from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AdaptiveLog:
    """What an experiment with changing allocation recorded, round by round, in the order of time.

    The propensities are those that were recorded when the arm was drawn: they are never worked out again from what is
    known now. Every array may have leading axes, each entry of which is a log of its own (many simulated worlds).

    Args:
        arms: (..., T) place of the arm that was pulled.
        rewards: (..., T) what came of it.
        propensities: (..., T, K) the probability that each arm had in that round.
        contexts: (..., T, d) what was known of the user before the pull; None where nothing was used.

    >>> log = AdaptiveLog.of([0, 1, 1], [1.0, 0.0, 1.0], [[0.5, 0.5], [0.5, 0.5], [0.2, 0.8]])
    >>> log.rounds, log.k, log.pulled.tolist()
    (3, 2, [[True, False], [False, True], [False, True]])
    """

    arms: NDArray[np.int64]
    rewards: Array
    propensities: Array
    contexts: Array | None = None

    @classmethod
    def of(
        cls, arms: ArrayLike, rewards: ArrayLike, propensities: ArrayLike, contexts: ArrayLike | None = None
    ) -> Self:
        """The log, checked.

        Raises:
            DataError: lengths differ, a value is NaN or infinite, an arm is unknown, the propensities of a round do not
                sum to one, or an arm had no chance in some round.
        """
        pulls, gains = np.asarray(arms), np.asarray(rewards, dtype=np.float64)
        chances = np.asarray(propensities, dtype=np.float64)
        known = None if contexts is None else np.asarray(contexts, dtype=np.float64)
        if not (pulls.shape == gains.shape == chances.shape[:-1]) or pulls.ndim < 1:
            raise DataError(
                f"arms, rewards and propensities have the shapes {pulls.shape}, {gains.shape} and {chances.shape}",
                allowed="(T,), (T,) and (T, K) are wanted",
            )
        if known is not None and known.shape[:-1] != pulls.shape:
            raise DataError(f"contexts have the shape {known.shape}", allowed="one row per round is wanted: (T, d)")
        for name, column in (("rewards", gains), ("propensities", chances), ("contexts", known)):
            if column is not None and not np.isfinite(column).all():
                bad = int((~np.isfinite(column)).sum())
                raise DataError(
                    f"{bad} of {column.size} values of the {name} are NaN or infinite",
                    advice="leave these rounds out, and say so",
                )
        if not pulls.size:
            raise DataError("the log has no round", advice="wait for data")
        k = chances.shape[-1]
        if not np.issubdtype(pulls.dtype, np.integer) or pulls.min() < 0 or pulls.max() >= k:
            raise DataError("an arm of the log is unknown", allowed=f"arms are whole numbers from 0 to {k - 1}")
        _check_chances(chances)
        return cls(pulls.astype(np.int64), gains, chances, known)

    @property
    def rounds(self) -> int:
        """T, the number of pulls."""
        return int(self.arms.shape[-1])

    @property
    def k(self) -> int:
        """K, the number of arms."""
        return int(self.propensities.shape[-1])

    @property
    def pulled(self) -> NDArray[np.bool_]:
        """(..., T, K) whether the arm was the one pulled."""
        return np.equal(self.arms[..., None], np.arange(self.k))


def _check_chances(chances: Array) -> None:
    if chances.min() < 0 or np.abs(chances.sum(axis=-1) - 1).max() > 1e-6:
        raise DataError(
            "the propensities of a round do not sum to one, or one is negative",
            allowed="each round holds the probability of every arm",
            advice="read them from the decisions as they were recorded",
        )
    none = (chances == 0).reshape(-1, chances.shape[-1]).sum(axis=0)
    if none.any():
        arm = int(none.argmax())
        raise DataError(
            f"arm {arm} had a propensity of zero in {int(none[arm])} rounds",
            allowed="nothing can be said of an arm that had no chance",
            advice="allocate with a floor (stats.adaptive.with_floor) or a mixture, or read only the other rounds",
        )
