"""What users want next, as a probability over all items: factors, popularity and what was taken last."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import logsumexp

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import DataError
from recloop.progress import SILENT, Progress
from recloop.simulate.fitted.follow import Follow, last_items
from recloop.strategies import make
from recloop.strategies.ials import IALS

BLOCK_BYTES = 64 * 2**20
RIDGE = 1e-3


class Likelihood(NamedTuple):
    """Held-out events per event, in nats: the model's log-likelihood, that of popularity alone, and how many."""

    model: float
    popularity: float
    uniform: float
    events: int


@dataclass(frozen=True)
class Preferences:
    """P(i | user, last item) is proportional to exp(taste x_u . y_i + fame log n_i + follow log(1 + C_li / e_li)).

    A conditional logit (McFadden 1974, "Conditional logit analysis of qualitative choice behavior") over the score of a
    factor model, popularity, and the lift of i after the last item l. Items taken already are left out where users of
    the log hardly ever take one twice.

    Attributes:
        users: (n_users, d) float32 tastes, folded in from the histories; ``items``: (n_items, d) float32.
        fame: (n_items,) float32 log of the share of events, smoothed.
        after: the lift log(1 + C_li / e_li) of i right after l.
        weights: what taste, fame and follow weigh.
        repeats: whether an item may be taken twice.
        likelihood: on held-out events that fitted nothing.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    fame: NDArray[np.float32]
    after: Follow
    weights: NDArray[np.float64]
    repeats: bool
    likelihood: Likelihood

    def utility(
        self, tastes: NDArray[np.float32], last: NDArray[np.integer], fame: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """(n, n_items) float32 up to a constant per row.

        Args:
            tastes: (n, d).
            last: (n,) the item taken last, -1 for none.
            fame: (n_items,) in place of the fitted one.
        """
        taste, popular, follow = self.weights.astype(np.float32)
        found: NDArray[np.float32] = (taste * tastes) @ self.items.T
        found += popular * (self.fame if fame is None else fame)
        if follow:
            rows, items, lift = self.after.entries(last)
            found[rows, items] += follow * lift
        return found

    def of(
        self, tastes: NDArray[np.float32], slates: NDArray[np.integer], last: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """(n, k) the same for the items of slates alone; what stands at empty places means nothing."""
        taste, popular, follow = self.weights.astype(np.float32)
        found: NDArray[np.float32] = taste * np.einsum("nd,nkd->nk", tastes, self.items[slates], optimize=True)
        found += popular * self.fame[slates]
        if follow:
            found += follow * self.after.of(last, slates)
        return found


def fit_preferences(
    dataset: Dataset,
    *,
    factors: int = 48,
    held_out: int = 2000,
    follow: bool = True,
    rng: np.random.Generator,
    progress: Progress = SILENT,
) -> Preferences:
    """Preferences from the positive events of a log.

    The last event of some users is put aside. The factor model learns from the rest; half of what was put aside fits
    the three weights by maximum likelihood, the other half judges. Then the factor model learns from everything.

    Args:
        dataset: at least 20 users with three events.
        factors: length of the vectors.
        held_out: users whose last event is put aside, at most a third of those with three events.
        follow: whether the last item counts.
        rng: chooses users.
        progress: who watches.

    Raises:
        DataError: there are too few users.
    """
    histories = dataset.histories()
    able = np.flatnonzero(histories.lengths >= 3)
    if len(able) < 20:
        raise DataError(
            f"{len(able)} users of the log have three positive events",
            allowed="at least 20 are needed to fit a simulator",
        )
    rows = np.sort(rng.choice(able, size=max(8, min(held_out, len(able) // 3)), replace=False))
    kept, wanted = histories.without_last(rows)
    seed = int(rng.integers(2**31))
    with progress.task("preferences", total=3) as advance:
        first = _parts(_dataset_of(dataset, histories, rows), kept, factors, follow=follow, seed=seed)
        advance(1)
        repeats = _repeat_share(histories) > 0.02
        likelihood, weights = _calibrate(first, kept.take(rows), rows, wanted, repeats=repeats, rng=rng)
        advance(1)
        whole = _parts(dataset, histories, factors, follow=follow, seed=seed)
        advance(1)
    return replace(whole, weights=weights, repeats=repeats, likelihood=likelihood)


def _parts(dataset: Dataset, histories: Histories, factors: int, *, follow: bool, seed: int) -> Preferences:
    model = make("ials", factors=min(factors, max(1, dataset.n_items - 1)), seed=seed).fit(dataset)
    assert isinstance(model, IALS)
    counts = np.bincount(histories.items, minlength=dataset.n_items) + 0.5
    after = Follow.fit(histories) if follow else Follow.none(dataset.n_items)
    return Preferences(
        users=model.fold_in(histories),
        items=model._item_vectors(),  # noqa: SLF001
        fame=np.log(counts / counts.sum()).astype(np.float32),
        after=after,
        weights=np.array([1.0, 1.0, float(follow)]),
        repeats=True,
        likelihood=Likelihood(np.nan, np.nan, np.nan, 0),
    )


def _calibrate(
    parts: Preferences,
    histories: Histories,
    users: NDArray[np.integer],
    wanted: NDArray[np.integer],
    *,
    repeats: bool,
    rng: np.random.Generator,
) -> tuple[Likelihood, NDArray[np.float64]]:
    """The weights of greatest likelihood on one half, judged on the other."""
    fits = rng.permutation(len(users)) < (len(users) + 1) // 2
    last = last_items(histories)
    only = np.eye(3)

    def features(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        rows = np.flatnonzero(mask)
        part = histories.take(rows)
        tastes = parts.users[users[rows]]
        stack = [replace(parts, weights=unit).utility(tastes, last[rows]) for unit in only]
        open_ = np.ones(stack[0].shape, bool)
        if not repeats:
            open_[part.rows, part.items] = False
            open_[np.arange(len(rows)), wanted[rows]] = True
        return np.stack(stack), open_

    def loss(weights: NDArray[np.float64], x: NDArray[np.float32], open_: NDArray[np.bool_], y: NDArray[np.integer]
             ) -> tuple[float, NDArray[np.float64]]:  # fmt: skip
        utility = np.where(open_, np.tensordot(weights, x, axes=1), -np.inf)
        level = logsumexp(utility, axis=1)
        chance = np.exp(utility - level[:, None])
        at = np.arange(len(y))
        # the gradient is what was taken less what was expected
        gradient = np.array([(part[at, y] - (chance * part).sum(axis=1)).mean() for part in x])
        off = weights - np.array([1.0, 1.0, 1.0])
        return (
            float((level - utility[at, y]).mean() + RIDGE * off @ off),
            np.asarray(-gradient + 2 * RIDGE * off),
        )

    x, open_ = features(fits)
    free = [(0.0, 100.0), (0.0, 3.0), (0.0, 5.0) if len(parts.after) else (0.0, 0.0)]
    y = wanted[fits]
    found = scipy.optimize.minimize(
        loss, [1.0, 1.0, free[2][1] and 1.0], (x, open_, y), jac=True, method="L-BFGS-B", bounds=free
    )
    judge, allowed = features(~fits)
    y = wanted[~fits]
    plain = np.array([0.0, 1.0, 0.0])
    off = found.x - 1.0
    return (
        Likelihood(
            model=-(loss(found.x, judge, allowed, y)[0] - RIDGE * float(off @ off)),
            popularity=-(loss(plain, judge, allowed, y)[0] - 2 * RIDGE),
            uniform=-float(np.log(allowed.sum(axis=1)).mean()),
            events=len(y),
        ),
        np.asarray(found.x),
    )


def _dataset_of(dataset: Dataset, histories: Histories, rows: NDArray[np.integer]) -> Dataset:
    """The dataset without the last positive event of some users."""
    stay = np.ones(len(histories.items), bool)
    stay[histories.indptr[rows + 1] - 1] = False
    return replace(dataset, events=dataset.positive.filter(stay), slates=None)


def _repeat_share(histories: Histories) -> float:
    """The share of events with an item that the user had taken before."""
    pairs = histories.rows * histories.n_items + histories.items
    return 1 - len(np.unique(pairs)) / max(1, len(pairs))
