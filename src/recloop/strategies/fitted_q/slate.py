import numpy as np
from numpy.typing import NDArray

ROUNDS = 12


def best_slates(
    attraction: NDArray[np.float64], value: NDArray[np.float64], nothing: NDArray[np.float64], k: int
) -> NDArray[np.float64]:
    """(n,) what the best slate of k items is worth: max over A of (Q_0 + sum_A v_i Q_i) / (1 + sum_A v_i).

    SlateQ's slate problem, which Ie et al. 2019, "SlateQ: a tractable decomposition for reinforcement learning with
    recommendation sets", section 4.4, solve as a linear program. It is a ratio of sums, so that Dinkelbach's method
    ("On nonlinear fractional programming", Management Science 13, 1967) finds the optimum in a few rounds: for a guess
    of the value take the k items of greatest v_i (Q_i - guess); their worth is the next guess.

    Args:
        attraction: (n, m) v_i, above 0; taking nothing has 1.
        value: (n, m) Q_i.
        nothing: (n,) Q_0.
        k: places; where there are fewer items, all are shown.

    >>> attraction, value = np.array([[4.0, 1.0, 1.0]]), np.array([[1.0, 9.0, 2.0]])
    >>> best_slates(attraction, value, np.array([0.0]), 1).tolist()
    [4.5]
    """
    k = min(k, attraction.shape[1])
    worth = nothing.astype(np.float64).copy()
    for step in range(ROUNDS):
        gain = attraction * (value - worth[:, None])
        best = np.argpartition(-gain, k - 1, axis=1)[:, :k]
        v, q = np.take_along_axis(attraction, best, axis=1), np.take_along_axis(value, best, axis=1)
        new = (nothing + (v * q).sum(axis=1)) / (1 + v.sum(axis=1))
        # the first guess may be above what any full slate is worth; from then on it only rises
        change = np.abs(new - worth).max(initial=0.0)
        worth = new
        if step and change < 1e-9 * (1 + np.abs(worth).max(initial=0.0)):
            break
    return worth
