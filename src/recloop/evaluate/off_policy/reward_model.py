"""A model of the reward for the estimators that use one, learned so that no round foretells itself."""

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError
from recloop.evaluate.off_policy.terms import Array, Codes
from recloop.stats.ridge_regression import ridge

LARGEST = 1500  # columns of the model


def cross_fitted(
    actions: NDArray[np.integer],
    rewards: Array,
    n_actions: int,
    rng: np.random.Generator,
    *,
    features: NDArray[np.floating] | None = None,
    item_vectors: NDArray[np.floating] | None = None,
    users: Codes | None = None,
    folds: int = 3,
) -> Array:
    """(n, A) predicted reward of every action in every round, from rounds of other users.

    Ridge regression on the action, on what is known of the round, on the action's vector, and on the products of round
    and vector where they are not too many (without vectors: of round and action). Predictions are kept between the
    smallest and the largest reward.

    Args:
        actions: (n,) what was done.
        rewards: (n,).
        n_actions: A.
        rng: draws the folds.
        features: (n, d) known before the action.
        item_vectors: (A, e), such as a language model's.
        users: (n,) codes from 0: a user's rounds stay in one fold.
        folds: at least 2.

    Source: V. Chernozhukov and others, "Double/debiased machine learning", Econometrics Journal 21 (2018), for the
    folds; the ridge is ``stats.ridge_regression``.

    Raises:
        SettingError: fewer than 2 folds.

    >>> rng = np.random.default_rng(1)
    >>> actions = rng.integers(0, 2, 2000)
    >>> cross_fitted(actions, (rng.random(2000) < 0.2 + 0.5 * actions) * 1.0, 2, rng)[0].round(1).tolist()
    [0.2, 0.7]
    """
    if folds < 2:
        raise SettingError(f"folds is {folds}", allowed="at least 2", advice="use 3")
    n = len(actions)
    known = np.zeros((n, 0)) if features is None else np.asarray(features, dtype=np.float64)
    each = np.eye(n_actions)
    vectors = np.zeros((n_actions, 0)) if item_vectors is None else np.asarray(item_vectors, dtype=np.float64)
    crossing = vectors if vectors.shape[1] else each
    if known.shape[1] * crossing.shape[1] > LARGEST:
        crossing = np.zeros((n_actions, 0))
    groups = np.arange(n) if users is None else users
    fold = rng.permutation(int(groups.max(initial=-1)) + 1)[groups] % folds
    design = np.hstack([known, each[actions], vectors[actions],
                        (known[:, :, None] * crossing[actions][:, None, :]).reshape(n, -1)])  # fmt: skip
    predicted = np.empty((n, n_actions))
    for part in range(folds):
        rows = fold == part
        if not rows.any():
            continue
        if rows.all():
            predicted[rows] = rewards.mean()
            continue
        model = ridge(design[~rows], rewards[~rows, None])
        d = design.shape[1]
        ends = model(np.vstack([np.zeros((1, d)), np.eye(d)]))[:, 0]
        start, slopes = ends[0], ends[1:] - ends[0]  # the model is linear: this is all of it
        a, b = known.shape[1], known.shape[1] + n_actions
        by_action = slopes[a:b] + vectors @ slopes[b : b + vectors.shape[1]]
        joint = slopes[b + vectors.shape[1] :].reshape(known.shape[1], crossing.shape[1])
        x = known[rows]
        predicted[rows] = start + (x @ slopes[:a])[:, None] + by_action + x @ joint @ crossing.T
    return np.clip(predicted, rewards.min(), rewards.max())
