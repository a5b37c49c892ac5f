from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.strategies.generative.trie import Trie

Floats = NDArray[np.float32]
# x (n, beams, steps, width), keys and values (blocks, n, heads, length, size) of what came before, and how many of
# those are known (n,) -> (n, beams, steps, width), and keys and values (blocks, n, beams, heads, steps, size)
Run = Callable[[Floats, Floats, Floats, NDArray[np.int64]], tuple[Floats, Floats, Floats]]


def beam_search(
    run: Run,
    history: Floats,
    known: NDArray[np.int64],
    trie: Trie,
    tables: Sequence[Floats],
    place: Floats,
    past: tuple[int, int, int],
    beams: int,
) -> tuple[NDArray[np.int64], Floats]:
    """The likeliest names, code by code, among those that exist.

    A code's probability is a softmax over the codes that may follow (De Cao et al. 2021, "Autoregressive entity
    retrieval", section 3.2): so those of all items add up to 1. After each level the ``beams`` likeliest beginnings go
    on; after the last code all that they lead to is kept. The history is read once.

    Args:
        run: the decoder.
        history: (n, length, width) its codes as vectors.
        known: (n,) how many of them are of the history, at least 1.
        trie: the names.
        tables: per level (codes, width), a vector per code, which is read and foretold with.
        place: (width,) of the item that comes.
        past: blocks, heads and size of a head.
        beams: beginnings that go on.

    Returns:
        (n, m) nodes of the trie's last depth, and the logarithm of their probabilities; -inf fills up.
    """
    n, each = len(history), np.arange(len(history))[:, None]
    blocks, heads, size = past
    nothing = np.zeros((blocks, n, heads, 1, size), np.float32)
    hidden, keys, values = run(history[:, None], nothing, nothing, np.zeros(n, np.int64))
    keys, values = np.ascontiguousarray(keys[:, :, 0]), np.ascontiguousarray(values[:, :, 0])
    now = hidden[each, 0, known[:, None] - 1]
    nodes = np.zeros((n, 1), np.int64)
    total = np.zeros((n, 1), np.float32)
    begun = np.empty((n, 1, 0, history.shape[-1]), np.float32)
    for depth, table in enumerate(tables):
        below = trie.children(depth, nodes.ravel()).reshape(n, -1)
        logits = np.where(below.reshape(n, -1, len(table)) >= 0, now @ table.T, -np.inf)
        total = (total[..., None] + _log_softmax(logits)).reshape(n, -1)
        if depth + 1 == len(tables):
            break
        chosen = np.arange(total.shape[1])[None].repeat(n, axis=0)
        if beams < total.shape[1]:
            chosen = np.argpartition(-total, beams - 1, axis=1)[:, :beams]
        total = total[each, chosen]
        nodes = np.maximum(below[each, chosen], 0)  # a beam that leads nowhere has -inf, whatever its node
        parent, code = np.divmod(chosen, len(table))
        begun = np.concatenate([begun[each, parent], (table[code] + place)[:, :, None]], axis=2)
        now = run(begun, keys, values, known)[0][:, :, -1]
    return np.maximum(below, 0), total


def _log_softmax(logits: Floats) -> Floats:
    """Over the last axis, in place; each row has a finite entry."""
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits
