from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import RATING
from recloop.progress import Progress
from recloop.strategies.attributes import Attributes
from recloop.strategies.base import Strategy, setting
from recloop.strategies.bilinear import Bilinear
from recloop.strategies.gibbs import Evidence, Features
from recloop.strategies.interactions import latest, strongest
from recloop.strategies.prior import popularity


class FactorizationMachine(Strategy):
    """Ratings and tastes from what user and item are, and from what the user did: a Bayesian factorization machine.

    The score of user u and item i is b_u + b_i + p_u . q_i, where the bias and the factors of each side are a sum over
    the features of that side plus what is its own (Rendle 2010, "Factorization machines", restricted to pairs of a
    feature of the user and one of the item). All of it is integrated out by Gibbs sampling (Rendle 2012, "Factorization
    machines with libFM", section 4.4); see ``recloop.strategies.gibbs``. Features are the attributes of users and items
    (``recloop.strategies.attributes``) and, for ratings and with ``implicit``, which items a user touched and who
    touched an item, whatever the rating (Koren 2008, "Factorization meets the neighborhood", equation 15; both sides as
    in Rendle, Zhang & Koren 2019, "On the difficulty of evaluating baselines", section 3.2).

    There are two such models. Items are ranked by the one of events: every event is a 1, and every pair of a user and
    an item counts as a 0 of the small weight ``unseen`` (as in Hu, Koren & Volinsky 2008). Where the log has ratings,
    ``predict`` foretells them by the other. A new user is answered from history and profile, a new item from its
    attributes.

    >>> from recloop.strategies.factorization_machine import FactorizationMachine
    >>> FactorizationMachine(factors=8).factors
    8
    """

    name: ClassVar[str] = "factorization-machine"
    summary: ClassVar[str] = "ratings and tastes from history and attributes, by a Bayesian factorization machine"
    by_default: ClassVar[bool] = False

    factors: int = setting(32, "length of an item's vector", low=1, high=1024, search=[16, 32, 64])
    samples: int = setting(40, "draws of the model that are kept; a score is their mean", low=1, high=10_000)
    burn_in: int = setting(80, "draws before the first one that counts", low=0, high=1_000_000)
    thin: int = setting(6, "keep every so many-th draw", low=1, high=10_000)
    implicit: str = setting(
        "users",
        "ratings: what of the mere fact of an event is a feature: the items of a user, the users of an item",
        choices=("none", "items", "users", "both"),
        search=["none", "users", "both"],
    )
    unseen: float = setting(
        0.5, "ranking: weight of the pairs without an event", low=1e-6, high=10, search=(0.03, 3, "log")
    )
    least: int = setting(3, "an attribute's value that fewer users or items have is no feature", low=1, high=10**9)
    seed: int = setting(0, "of all draws", low=0, high=2**31)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        people, things = dataset.users.drop("user"), dataset.items.drop("item")
        self._attributes = Attributes.of(people, self.least)
        users = _features(self._attributes, Attributes.texts(people), dataset.n_users)
        items = _features(Attributes.of(things, self.least), Attributes.texts(things), dataset.n_items)
        taken = strongest(dataset.histories())
        self._prior = popularity(dataset)
        events = Evidence(_ones(taken), taken.data, np.where(self._prior > 0, np.float32(self.unseen), np.float32(0)))
        seeds = np.random.SeedSequence(self.seed).spawn(2)
        self._taste = self._learn(events, users, items, seeds[0], progress)

        log = dataset.events.filter((pl.col("kind") == RATING) & pl.col("value").is_not_null())
        self._ratings: Bilinear | None = None
        if log.is_empty():
            return
        values = np.unique(log["value"].to_numpy())
        rated = latest(log["user"].to_numpy(), log["item"].to_numpy(), log["value"].to_numpy(), taken.shape)
        mean = rated.data.mean(dtype=np.float64)
        # histories may hold the high ratings alone: those that round to the minimum or more
        minimum = dataset.kinds.minimum.get(RATING, -np.inf)
        step = np.diff(values).min(initial=np.inf)
        hidden = values[0] < minimum
        self._scale = np.array([mean, values[0], values[-1], minimum - step / 2 if hidden else -np.inf])
        centred = sparse.csr_array((rated.data - np.float32(mean), rated.indices, rated.indptr), rated.shape)
        if self.implicit in {"items", "both"}:
            users = users.beside(_spread(taken))
        if self.implicit in {"users", "both"}:
            items = items.beside(_spread(sparse.csr_array(taken.T)))
        self._ratings = self._learn(Evidence(centred, np.ones_like(centred.data)), users, items, seeds[1], progress)

    def _learn(
        self, evidence: Evidence, users: Features, items: Features, seed: np.random.SeedSequence, progress: Progress
    ) -> Bilinear:
        what = f"{self.name}, {'ratings' if evidence.unseen is None else 'taste'}"
        with progress.task(what, total=self.burn_in + self.samples * self.thin) as advance:
            return Bilinear.sample(
                evidence,
                users,
                items,
                factors=self.factors,
                burn_in=self.burn_in,
                samples=self.samples,
                thin=self.thin,
                rng=np.random.default_rng(seed),
                advance=advance,
            )

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        taken = strongest(histories)
        users = _features(self._attributes, histories.profiles, len(histories))
        scores = self._taste.score(Evidence(_ones(taken), taken.data), users.matrix)
        stranger = (histories.lengths == 0) & (np.diff(users.matrix.indptr) == 1)
        scores[stranger] = self._prior
        return scores

    def predict(self, histories: Histories, items: NDArray[np.integer]) -> NDArray[np.float64]:
        """The ratings that users would give, from the ratings in their histories and their profiles.

        Args:
            histories: n histories.
            items: (n, m) item indices, padded with -1.

        Returns:
            (n, m) float64; NaN where the item is -1, and everywhere where no rating was ever learned from.

        Raises:
            SettingError: the histories are of another catalogue, or the items are not n rows.
            ConflictError: the strategy is not fitted.
        """
        histories = self._asked(histories, items)
        predicted = np.full(items.shape, np.nan)
        if self._ratings is None:
            return predicted
        told = ~np.isnan(histories.ratings)
        known = latest(
            histories.rows[told], histories.items[told], histories.ratings[told], (len(histories), histories.n_items)
        )
        mean, lowest, highest, told_from = self._scale
        departs = sparse.csr_array((known.data - np.float32(mean), known.indices, known.indptr), known.shape)
        users = _features(self._attributes, histories.profiles, len(histories))
        if self.implicit in {"items", "both"}:
            users = users.beside(_spread(strongest(histories)))
        rows, columns = np.nonzero(items >= 0)
        asked = items[rows, columns]
        evidence = Evidence(departs, np.ones_like(departs.data))
        scores = self._ratings.score_pairs(evidence, users.matrix, rows, asked, told_from - mean)
        predicted[rows, columns] = np.clip(mean + scores, lowest, highest)
        return predicted

    def _arrays(self) -> dict[str, NDArray[Any]]:
        parts = self._attributes.arrays("user") | self._taste.arrays("taste")
        return super()._arrays() | parts | (self._ratings.arrays("rating") if self._ratings else {})

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        taste = Bilinear.restore("taste", arrays)
        self._attributes, self._taste = Attributes.restore("user", arrays), taste
        self._ratings = Bilinear.restore("rating", arrays) if "rating_items" in arrays else None
        super()._restore({name: array for name, array in arrays.items() if name.startswith("_")})


def _features(attributes: Attributes, columns: Mapping[str, NDArray[np.object_]], n: int) -> Features:
    """1 for all, then what the attributes say, each column a group."""
    groups = np.unique(attributes.columns, return_inverse=True)[1]
    return Features.constant(n).beside(attributes.encode(columns, n), groups)


def _ones(matrix: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), matrix.shape)


def _spread(matrix: sparse.csr_array) -> sparse.csr_array:
    """Each row's entries as 1 / sqrt(their number)."""
    counts = np.diff(matrix.indptr)
    shares = np.repeat(np.maximum(counts, 1) ** -0.5, counts).astype(np.float32)
    return sparse.csr_array((shares, matrix.indices, matrix.indptr), matrix.shape)
