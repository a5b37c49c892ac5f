from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import RATING
from recloop.errors import DataError, SettingError
from recloop.progress import Progress
from recloop.strategies.adaptive.cuts import Cuts
from recloop.strategies.adaptive.learn import Learner, Meta
from recloop.strategies.adaptive.prior import Evidence, Heads, Prior
from recloop.strategies.adaptive.representation import Representation, profile_features
from recloop.strategies.attributes import Attributes
from recloop.strategies.base import Strategy, setting
from recloop.strategies.interactions import latest, strongest

JUDGES = 0.1  # share of the users who set the cuts, and take no part in the rounds before that
MOST_JUDGES = 2000
FINISH = 2  # rounds with all users, once the cuts are set
TRUST = 100.0  # users, items and answers of a new domain that the old one is worth
BLOCK = 2**22  # numbers of a block of predictions


class Adaptive(Strategy):
    """A few ratings move a new user's head; what heads are like, and how text looks to them, is learned across users.

    User u answers item i with b_i + v_i . w_u + noise. The head w_u has a Gaussian prior whose mean comes from the
    profile, and (b_i, v_i) one whose mean comes from the item's text and attributes. Both priors are learned by
    variational Bayes over all users (see ``learn``). A history then gives the posterior of w_u in closed form: one
    system of ``factors`` equations, the inner loop of meta-learning without its gradient steps.

    In a log with ratings the answer is the rating, and the score of an item is the expected rating less ``caution``
    standard deviations. ``predict`` foretells ratings. In a log without ratings the answer is 1 for an item that
    was taken and 0 for the others, each of which counts ``unseen``.

    With ``source``, the folder of an ``adaptive`` strategy that was learned on another catalogue, its priors start this
    one: ``rounds=0`` uses them as they are (zero-shot, no event is needed), more rounds move them by the events.

    >>> from recloop.strategies.adaptive.strategy import Adaptive
    >>> Adaptive(factors=8).factors
    8
    """

    name: ClassVar[str] = "adaptive"
    summary: ClassVar[str] = "few-shot users: a learned prior over text, profile and taste, moved by the first ratings"
    by_default: ClassVar[bool] = False

    factors: int = setting(16, "length of a user's head", low=1, high=256, search=(8, 32))
    rounds: int = setting(15, "of learning over all users", low=0, high=1000)
    encoder: str = setting("default", "what turns item text into vectors: a hub id, a folder; empty for no text")
    components: int = setting(64, "axes that are kept of the encoder's vectors", low=1, high=4096, search=[32, 64, 128])
    least: int = setting(3, "an attribute that fewer items, or users, have is not used", low=1, high=10**9)
    error: str = setting("absolute", "which error predictions make small", choices=("absolute", "squared"))
    caution: float = setting(0.5, "standard deviations that a score lies below its expectation", low=0, high=10)
    unseen: float = setting(0.3, "without ratings: what a pair counts that was not seen", low=1e-6, high=1)
    source: str = setting("", "folder of an adaptive strategy of another catalogue to start from")
    seed: int = setting(0, "of the first vectors and of who sets the cuts", low=0, high=2**31)

    # ---- learning

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        source = Adaptive.load(Path(self.source)) if self.source else None
        if self.rounds == 0 and source is None:
            raise SettingError("rounds is 0 and there is no source", advice="give rounds, or the folder of a source")
        evidence = self._evidence(dataset, source)
        if source is None:
            self._representation, features = Representation.of(
                dataset, self.encoder, self.components, self.least, progress
            )
            self._profiles = Attributes.of(dataset.users.drop("user"), self.least)
        else:
            self._representation, self._profiles = source._representation, source._profiles
            features = self._representation.encode(dataset, source.encoder, progress)
        profiles = profile_features(self._profiles, Attributes.texts(dataset.users.drop("user")), dataset.n_users)
        seeds = np.random.SeedSequence(self.seed).spawn(2)
        learner = self._learner(features, evidence, profiles.shape[1], source, np.random.default_rng(seeds[0]))
        said = np.diff(evidence.counts.indptr)
        speak = np.flatnonzero(said)
        judges = self._judges(said, np.random.default_rng(seeds[1]))
        pupils = np.setdiff1d(speak, judges)
        finish = min(FINISH, self.rounds // 2) if len(judges) else 0
        with progress.task("adaptive", total=self.rounds) as advance:
            for rounds, rows in ((self.rounds - finish, pupils), (finish, speak)):
                part, theirs = evidence.rows(rows), profiles[rows]
                for _ in range(rounds):
                    learner.round(part, theirs)
                    advance(1)
                if rows is pupils and len(judges):
                    self._cuts = self._cut(learner.prior(), evidence.rows(judges), profiles[judges])
        # rounded as they are saved, so that a loaded strategy answers the same
        self._prior, self._meta = Prior.restore(learner.prior().arrays()), Meta.restore(learner.meta().arrays())

    def _evidence(self, dataset: Dataset, source: "Adaptive | None") -> Evidence:
        """What all users said; also sets the scale, and the cuts as they are before anything is learned."""
        ratings = dataset.events.filter((pl.col("kind") == RATING) & pl.col("value").is_finite())
        shape = (dataset.n_users, dataset.n_items)
        rated = len(ratings) > 0 if self.rounds or source is None else source.rates
        if source is not None and source.rates != rated:
            raise DataError(
                "the source was learned from a log with ratings, or this one is, and the other has none",
                advice="take a source whose log says the same, or leave it out",
            )
        if not rated:
            self._span, self._cuts = np.array([-np.inf, np.inf]), Cuts(np.empty(0), np.empty(0))
            taken = strongest(dataset.histories())
            return Evidence.taken(taken, self.unseen)
        found = latest(ratings["user"].to_numpy(), ratings["item"].to_numpy(), ratings["value"].to_numpy(), shape)
        levels = np.unique(found.data) if found.nnz or source is None else source._span
        self._span = levels[[0, -1]].astype(np.float64)
        if source is not None and (not found.nnz or np.isin(levels, source._cuts.levels).all()):
            self._span, self._cuts = source._span, source._cuts
        else:
            self._cuts = Cuts.of(np.empty(0), np.empty(0), levels.astype(np.float64))
        return Evidence.of(found)

    def _learner(
        self,
        features: sparse.csr_array,
        evidence: Evidence,
        n_profile: int,
        source: "Adaptive | None",
        rng: np.random.Generator,
    ) -> Learner:
        groups = self._representation.groups
        if source is not None:
            return Learner(features, groups, source._meta, TRUST)
        mean = float(evidence.sums.sum(dtype=np.float64)) / evidence.number
        variance = max(evidence.square / evidence.number - mean**2, 1e-6)
        return Learner(features, groups, Meta.blank(len(groups), n_profile, self.factors, mean, variance), rng=rng)

    def _judges(self, said: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.intp]:
        """Users whose ratings set the cuts: some of those with at least four."""
        if not self.rates or self.error == "squared" or self.source or self.rounds < 2:
            return np.empty(0, np.intp)
        able = np.flatnonzero(said >= 4)
        return np.sort(rng.permutation(able)[: min(int(JUDGES * len(able)), MOST_JUDGES)])

    def _cut(self, prior: Prior, evidence: Evidence, profiles: sparse.csr_array) -> Cuts:
        """The cuts by every second rating of some users, foretold from their others."""
        odd = np.arange(evidence.sums.nnz) % 2 == 1
        heads = prior.adapt(Evidence.of(_kept(evidence.sums, ~odd)), profiles)
        asked = _kept(evidence.sums, odd)
        rows = np.repeat(np.arange(len(evidence)), np.diff(asked.indptr))
        expected = np.einsum("nk,nk->n", heads.design[rows], prior.items[asked.indices])
        return Cuts.of(expected, asked.data.astype(np.float64), self._cuts.levels)

    # ---- answering

    @property
    def rates(self) -> bool:
        """Whether it learned from ratings, and foretells them."""
        return bool(np.isfinite(self._span).all())

    def adapt(self, histories: Histories) -> Heads:
        """The posterior of each user's head, from profile and history: a system of ``factors`` equations each.

        Raises:
            SettingError: the histories are of another catalogue.
            ConflictError: the strategy is not fitted.
        """
        histories = self._histories(histories)
        shape = (len(histories), histories.n_items)
        if self.rates:
            told = np.isfinite(histories.ratings)
            found = latest(histories.rows[told], histories.items[told], histories.ratings[told], shape)
            evidence = Evidence.of(found)
        else:
            evidence = Evidence.taken(strongest(histories), self.unseen)
        return self._prior.adapt(evidence, profile_features(self._profiles, dict(histories.profiles), len(histories)))

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        heads = self.adapt(histories)
        expected = self._prior.expect(heads)
        if self.caution:
            expected -= self.caution * self._prior.doubt(heads, expected)
        return expected.astype(np.float32)

    def predict(self, histories: Histories, items: NDArray[np.integer]) -> NDArray[np.float64]:
        """The ratings that users would give, from the ratings in their histories and their profiles.

        With ``error="absolute"`` and a scale of at most 20 steps it is the median, a step of the scale; else the mean.

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
        if not self.rates:
            return predicted
        step = max(1, BLOCK // max(1, items.shape[1] * (self.factors + 1)))
        for start in range(0, len(histories), step):
            design = self.adapt(histories.block(start, start + step)).design
            asked = items[start : start + step]
            expected = np.einsum("nk,nmk->nm", design, self._prior.items[asked])
            expected[asked < 0] = np.nan
            predicted[start : start + step] = expected.clip(*self._span)
        return self._cuts.median(predicted) if self.error == "absolute" else predicted

    # ---- keeping

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "span": self._span,
            "levels": self._cuts.levels,
            "cuts": self._cuts.cuts,
            **self._prior.arrays(),
            **self._meta.arrays(),
            **self._representation.arrays(),
            **self._profiles.arrays("user"),
        }

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._span = arrays["span"]
        self._cuts = Cuts(arrays["levels"], arrays["cuts"])
        self._prior, self._meta = Prior.restore(arrays), Meta.restore(arrays)
        self._representation = Representation.restore(arrays)
        self._profiles = Attributes.restore("user", arrays)


def _kept(table: sparse.csr_array, entries: NDArray[np.bool_]) -> sparse.csr_array:
    """The table with only the given entries."""
    before = np.concatenate([[0], np.cumsum(entries)])
    return sparse.csr_array((table.data[entries], table.indices[entries], before[table.indptr]), table.shape)
