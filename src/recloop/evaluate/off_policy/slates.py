"""Estimates for whole slates: the fewer places a reward is thought to depend on, the less noise.

Arrays are (n, K): n slates of K places, first place first. ``weights`` holds for each place the chance of its item
under the policy over that under which it was shown; for ``reward_interaction`` and ``cascade`` each chance is given the
places above.
"""

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.evaluate.off_policy.inverse import check
from recloop.evaluate.off_policy.terms import Array, Terms


def standard(weights: Array, rewards: Array) -> Terms:
    """The whole slate as one action: its reward may depend on every place, and the weight is the product of all.

    Args:
        weights: (n, K).
        rewards: (n, K) what each place earned; the reward of a slate is their sum.

    Source: as ``ips``; its form for slates: J. McInerney and others, KDD 2020.

    >>> standard(np.array([[2.0, 0.5]]), np.array([[1.0, 1.0]])).value
    2.0
    """
    _shape(weights, rewards)
    return Terms.of(weights.prod(axis=1) * rewards.sum(axis=1))


def independent(weights: Array, rewards: Array) -> Terms:
    """Position-based: what a place earns depends on its own item alone.

    Source: S. Li and others, "Offline evaluation of ranking policies with click models", KDD 2018.

    >>> independent(np.array([[2.0, 0.5]]), np.array([[1.0, 1.0]])).value
    2.5
    """
    _shape(weights, rewards)
    return Terms.of((weights * rewards).sum(axis=1))


def reward_interaction(weights: Array, rewards: Array) -> Terms:
    """What a place earns depends on its item and on those above: the user reads downwards.

    Source: J. McInerney, B. Brost, P. Chandar, R. Mehrotra, B. Carterette, "Counterfactual evaluation of slate
    recommendations with sequential reward interactions", KDD 2020.

    >>> reward_interaction(np.array([[2.0, 0.5]]), np.array([[1.0, 1.0]])).value
    3.0
    """
    _shape(weights, rewards)
    return Terms.of((np.cumprod(weights, axis=1) * rewards).sum(axis=1))


def cascade(weights: Array, rewards: Array, expected: Array, baseline: Array) -> Terms:
    """Cascade doubly robust: ``reward_interaction`` with a model of all that is still to come below a place.

    Args:
        weights: (n, K).
        rewards: (n, K).
        expected: (n, K) what the model foretells of the item shown at a place, with all places below.
        baseline: (n, K) the same of the policy's choice for that place, given the places above as they were shown.

    Source: H. Kiyohara, Y. Saito, T. Matsuhiro, Y. Narita, N. Shimizu, Y. Yamamoto, "Doubly robust off-policy
    evaluation for ranking policies under the cascade behavior model", WSDM 2022.

    >>> w, r = np.array([[2.0, 0.5]]), np.array([[1.0, 1.0]])
    >>> cascade(w, r, np.zeros((1, 2)), np.zeros((1, 2))).value  # without a model
    3.0
    """
    _shape(weights, rewards, expected, baseline)
    reach = np.cumprod(weights, axis=1)
    above = np.concatenate([np.ones((len(reach), 1)), reach[:, :-1]], axis=1)
    return Terms.of((reach * (rewards - expected) + above * baseline).sum(axis=1))


def pseudo_inverse(weights: Array, rewards: Array) -> Terms:
    """The reward of a slate is a sum of what its places add, which need not be seen apart; places are filled apart.

    Then the weight of a slate is the sum of the weights of its places, less K - 1.

    Args:
        weights: (n, K) per place.
        rewards: (n,) of whole slates.

    Source: A. Swaminathan and others, "Off-policy evaluation for slate recommendation", NIPS 2017, product slates; the
    closed form: N. Vlassis, A. Chandrashekar, F. Amat Gil, N. Kallus, "Control variates for slate off-policy
    evaluation", NeurIPS 2021.

    >>> pseudo_inverse(np.array([[2.0, 0.5]]), np.array([1.0])).value
    1.5
    """
    check(weights=weights, rewards=rewards)
    return Terms.of((weights.sum(axis=1) - weights.shape[1] + 1) * rewards)


def pseudo_inverse_weights(slates: NDArray[np.integer], behaviour: Array, target: Array, n_items: int) -> Array:
    """(S,) the weight of each possible slate where places are not filled apart, such as rankings without repeats.

    With 1_s the indicator of the pairs (place, item) of a slate and G = E[1_s 1_s'] under what logged, the weight is
    ``E_target[1_s]' G^+ 1_s``; the estimate is the mean of weight times reward of the slates seen (``ips``).

    Args:
        slates: (S, K) item indices of all slates that have a chance.
        behaviour: (S,) their chances when they were shown.
        target: (S,) their chances under the policy.
        n_items: of the catalogue.

    Source: Swaminathan and others 2017, equation 4.

    Raises:
        DataError: the target gives a chance to a pair of place and item that never had one.

    >>> slates = np.array([[0, 1], [1, 0]])
    >>> pseudo_inverse_weights(slates, np.array([0.5, 0.5]), np.array([1.0, 0.0]), 2).round(6).tolist()
    [2.0, 0.0]
    """
    s, k = slates.shape
    pairs = np.zeros((s, k * n_items))
    pairs[np.arange(s)[:, None], np.arange(k) * n_items + slates] = 1.0
    wanted = target @ pairs
    if (wanted[behaviour @ pairs == 0] > 0).any():
        raise DataError(
            "the policy shows an item at a place where it never had a chance",
            advice="log with some exploration at every place",
        )
    gram = (pairs * behaviour[:, None]).T @ pairs
    found: Array = pairs @ (np.linalg.pinv(gram, hermitian=True) @ wanted)
    return found


def _shape(weights: Array, rewards: Array, *more: Array) -> None:
    check(weights=weights, rewards=rewards, **{f"predictions {n}": column for n, column in enumerate(more)})
    for column in (rewards, *more):
        if column.shape != weights.shape:
            raise DataError(
                f"weights have the shape {weights.shape}, rewards or predictions {column.shape}",
                allowed="one number per slate and place: (n, K)",
            )
