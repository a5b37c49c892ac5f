"""A gated recurrent unit in NumPy: what a trained policy is served by, without the library that trained it."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float32]


def hidden(
    inputs: Floats, lengths: NDArray[np.integer], into: Floats, within: Floats, bias_in: Floats, bias_within: Floats
) -> Floats:
    """(n, width) the state of a gated recurrent unit after each sequence; zeros where it is empty.

    Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder"; gates in the order reset, update, new.

    Args:
        inputs: (n, length, d), sequences from the first place on.
        lengths: (n,) of each.
        into: (3 width, d) weights of the inputs.
        within: (3 width, width) weights of the state.
        bias_in: (3 width,).
        bias_within: (3 width,).

    >>> zero = np.zeros((3, 1), np.float32)
    >>> hidden(np.ones((1, 2, 1), np.float32), np.array([2]), zero, zero, zero[:, 0], zero[:, 0]).tolist()
    [[0.0]]
    """
    n, width = len(inputs), within.shape[1]
    state = np.zeros((n, width), np.float32)
    order = np.argsort(-lengths, kind="stable")
    ranked = lengths[order]
    for place in range(int(ranked[0]) if n else 0):  # over events of one history; histories side by side
        rows = order[: int(np.searchsorted(-ranked, -place))]
        given = inputs[rows, place] @ into.T + bias_in
        kept = state[rows] @ within.T + bias_within
        reset = expit(given[:, :width] + kept[:, :width])
        update = expit(given[:, width : 2 * width] + kept[:, width : 2 * width])
        new = np.tanh(given[:, 2 * width :] + reset * kept[:, 2 * width :])
        state[rows] = (1 - update) * new + update * state[rows]
    return state
