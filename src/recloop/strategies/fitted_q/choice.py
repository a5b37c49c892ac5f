"""Which item of a slate a user takes, if any: a conditional logit."""

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import logsumexp

from recloop.strategies.fitted_q.features import DECAYS, Features
from recloop.strategies.logged import Steps

RIDGE = 1e-3
MOST = 30_000  # slates it is fitted on


def utilities(features: Features, plain: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, n_items) utility of every item at the first place; that of taking nothing is 0.

    Args:
        features: of the log.
        plain: (n, m) sessions.
        weights: from ``fit_choice``.
    """
    d, m = features.items.shape[1], plain.shape[1]
    found = (weights[0] + plain @ weights[1 : 1 + m])[:, None] + (features.items @ weights[1 + m : 1 + m + d])[None]
    for place in range(len(DECAYS)):
        found += weights[1 + m + d + place] * (plain[:, place * d : (place + 1) * d] @ features.items.T)
    return np.asarray(np.clip(found, -20.0, 20.0))


def fit_choice(
    features: Features, plain: NDArray[np.float64], steps: Steps, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Weights of greatest likelihood (McFadden 1974), each click a choice among what was shown and nothing.

    They are, in order: a constant, the session's numbers, the item's, their products at each speed, and the places
    beyond the first.

    Args:
        features: of the log.
        plain: (n, m) sessions before each slate.
        steps: n slates.
        rng: which slates, where there are many.
    """
    rows = np.arange(len(steps))
    if len(rows) > MOST:
        rows = np.sort(rng.choice(rows, MOST, replace=False))
    log, session = steps.log.take(rows), plain[rows]
    shown = log.items >= 0
    d, m, k = features.items.shape[1], plain.shape[1], log.k
    vectors = features.items[log.items]
    pairs = [np.einsum("nd,nkd->nk", session[:, place * d : (place + 1) * d], vectors) for place in range(len(DECAYS))]
    own = np.concatenate([vectors, np.stack(pairs, axis=2)], axis=2)  # (n, k, d + decays)
    per_item, last = own.shape[2], max(0, k - 1)
    clicks = log.clicks.sum(axis=1)
    weight = 1.0 / max(1, len(rows))

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        base = w[0] + session @ w[1 : 1 + m]
        utility = base[:, None] + own @ w[1 + m : 1 + m + per_item]
        utility[:, 1:] += w[1 + m + per_item :]
        utility = np.where(shown, np.clip(utility, -20.0, 20.0), -np.inf)
        level = logsumexp(np.concatenate([np.zeros((len(rows), 1)), utility], axis=1), axis=1)
        chance = np.exp(utility - level[:, None])
        times = np.maximum(clicks, 1)
        error = (times[:, None] * chance - log.clicks) * weight
        value = (times * level - np.where(log.clicks, utility, 0.0).sum(axis=1)).sum() * weight
        each = error.sum(axis=1)
        gradient = np.concatenate(
            [[each.sum()], session.T @ each, np.einsum("nk,nkd->d", error, own), error[:, 1:].sum(axis=0)]
        )
        return float(value + RIDGE * w @ w), gradient + 2 * RIDGE * w

    start = np.zeros(1 + m + per_item + last)
    return np.asarray(scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x)
