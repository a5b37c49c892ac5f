"""Marginalised weights: many actions seen through what describes them, so that alike actions lend each other support.

The weight of a round is the ratio of the chances of its description under the policy and under what logged, rather than
of its action: ``w(x, e) = sum_a target(a|x) p(e|a) / sum_a behaviour(a|x) p(e|a)``. The estimate is ``ips`` or
``snips`` with these weights. It has no bias where the description holds all of an action that matters to the reward.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError, SettingError
from recloop.evaluate.off_policy.inverse import check
from recloop.evaluate.off_policy.terms import Array

ROWS = 2**22  # numbers of a block of rounds times actions


def marginal_weights(chances: Array, behaviour: Array, likelihood: Array) -> Array:
    """(n,) the weight of each round from the description that was seen.

    Args:
        chances: (n, A) of every action under the policy.
        behaviour: (n, A) of every action when it was logged.
        likelihood: (n, A) the chance of the description seen in the round, given each action.

    Source: Y. Saito, T. Joachims, "Off-policy evaluation for large action spaces via embeddings", ICML 2022.

    Raises:
        DataError: what was seen had no chance in some round; see ``check``.

    >>> seen = np.array([[1.0, 1.0, 0.0]])  # a group that holds the first two of three actions
    >>> marginal_weights(np.array([[0.9, 0.0, 0.1]]), np.array([[0.1, 0.5, 0.4]]), seen).round(4).tolist()
    [1.5]
    """
    check(chances=chances, behaviour=behaviour, likelihood=likelihood)
    below = (behaviour * likelihood).sum(axis=1)
    if (below <= 0).any():
        row = int(np.flatnonzero(below <= 0)[0])
        raise DataError(
            f"the description of row {row + 1} had no chance when it was logged",
            advice="check that descriptions and propensities belong to the same log",
        )
    weights: Array = (chances * likelihood).sum(axis=1) / below
    return weights


def category_weights(codes: NDArray[np.integer], tables: Sequence[Array], chances: Array, behaviour: Array) -> Array:
    """(n,) marginal weights of descriptions made of several categories, independent given the action.

    Args:
        codes: (n, D) the categories seen.
        tables: D arrays (A, C_d): the chance of each category given each action, as from ``category_tables``.
        chances: (n, A) of every action under the policy.
        behaviour: (n, A) of every action when it was logged.

    >>> tables = [np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])]
    >>> chances, behaviour = np.array([[0.9, 0.0, 0.1]]), np.array([[0.1, 0.5, 0.4]])
    >>> category_weights(np.array([[0]]), tables, chances, behaviour).round(4).tolist()
    [1.5]
    """
    n, actions = chances.shape
    step, weights = max(1, ROWS // actions), np.empty(n)
    by_code = [np.ascontiguousarray(np.asarray(table).T) for table in tables]
    for start in range(0, n, step):
        rows = slice(start, start + step)
        likelihood = by_code[0][codes[rows, 0]]
        for d, table in enumerate(by_code[1:], start=1):
            likelihood *= table[codes[rows, d]]
            likelihood /= likelihood.max(axis=1, keepdims=True)  # a factor per row falls out of the ratio
        weights[rows] = marginal_weights(chances[rows], behaviour[rows], likelihood)
    return weights


def category_tables(
    codes: NDArray[np.integer], actions: NDArray[np.integer], n_actions: int, strength: float = 1.0
) -> list[Array]:
    """D arrays (A, C_d): the chance of each category given each action, learned from the log.

    Counts are shrunk towards the shares over all actions, as if each action had been seen ``strength`` times more. Only
    that little: an estimate averages over thousands of actions, so the noise of their rows averages out, and what
    shrinking takes from each does not. The strength under which the counts are the most likely is best for a row, and
    was worse for the estimate in six of eight simulated settings, up to tenfold in squared error.

    Args:
        codes: (n, D) the categories seen.
        actions: (n,) what was done.
        n_actions: A.
        strength: above 0, so that an action that was never done has chances too.

    Source: for the need, Saito & Joachims 2022, section 3.3, who regress actions on descriptions; here the known
    propensities stand for the actions' chances, and only p(e|a) is learned.

    Raises:
        SettingError: the strength is not above 0.

    >>> category_tables(np.array([[0], [0], [1], [1]]), np.array([0, 0, 1, 1]), 2)[0].round(3).tolist()
    [[0.833, 0.167], [0.167, 0.833]]
    """
    if not strength > 0:
        raise SettingError(f"the strength is {strength}", allowed="it is above 0", advice="use 1")
    tables = []
    for column in codes.T:
        width = int(column.max()) + 1
        each = np.bincount(actions * width + column, minlength=n_actions * width)
        counts = each.reshape(n_actions, width).astype(np.float64)
        pooled, seen = counts.sum(axis=0) / counts.sum(), counts.sum(axis=1, keepdims=True)
        tables.append((counts + strength * pooled) / (seen + strength))
    return tables


def blur(vectors: NDArray[np.floating], width: float) -> Array:
    """(A, A) rows that sum to 1: how much each action passes for each other, by the likeness of their vectors.

    Entry (a, e) falls with the squared distance of the unit vectors: ``exp(-|v_a - v_e|^2 / (2 width^2))``. A width
    near 0 keeps actions apart, a large one makes all alike.

    Args:
        vectors: (A, d), such as a language model's of the items' texts.
        width: in the unit of distances between unit vectors, which lie between 0 and 2.

    Raises:
        SettingError: width is not above 0.

    >>> blur(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 0.1).round(3).tolist()
    [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    if not width > 0:
        raise SettingError(f"the width is {width}", allowed="it is above 0", advice="use 0.5")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.asarray(vectors, dtype=np.float64) / np.where(length > 0, length, 1.0)
    near = np.exp((units @ units.T - 1) / width**2)
    shares: Array = near / near.sum(axis=1, keepdims=True)
    return shares


def blurred_weights(chances: Array, behaviour: Array, actions: NDArray[np.integer], shares: Array) -> Array:
    """(n,) marginal weights through a description that is drawn by ``shares``, taken in expectation over the draw.

    Their mean is 1 as that of plain weights; they are the plain ones where every action passes for itself alone.

    Args:
        chances: (n, A) or (1, A) of every action under the policy.
        behaviour: (n, A) or (1, A) of every action when it was logged.
        actions: (n,) what was done.
        shares: (A, E) as from ``blur``, or groups: 1 in the column of an action's group.

    Source: Saito & Joachims 2022; the expectation over the drawn description is ours.

    Raises:
        DataError: shapes differ.

    >>> w = blurred_weights(np.array([[0.9, 0.0, 0.1]]), np.array([[0.1, 0.5, 0.4]]), np.array([0, 2]), np.eye(3))
    >>> w.round(4).tolist()
    [9.0, 0.25]
    """
    if chances.shape[1] != len(shares) or behaviour.shape[1] != len(shares):
        raise DataError(
            f"there are chances of {chances.shape[1]} actions and descriptions of {len(shares)}", allowed="one each"
        )
    n, step = len(actions), max(1, ROWS // shares.shape[1])
    weights = np.empty(n)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        over = (chances if len(chances) == 1 else chances[rows]) @ shares
        under = (behaviour if len(behaviour) == 1 else behaviour[rows]) @ shares
        ratio = np.divide(over, under, out=np.zeros(np.broadcast_shapes(over.shape, under.shape)), where=under > 0)
        weights[rows] = (shares[actions[rows]] * ratio).sum(axis=1)
    return weights
