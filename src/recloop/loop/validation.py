"""What a search judges by: users whose truth lies inside the training events of the plan's split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import RATING
from recloop.data.rankings import Rankings
from recloop.data.split import Split
from recloop.errors import DataError, ExtraError, MissingError, SettingError
from recloop.evaluate import HeldOutRatings, evaluate
from recloop.evaluate.ranker import Rater
from recloop.loop.plan import Plan, child_seed
from recloop.loop.run import not_fed
from recloop.loop.vectors import behaviour_vectors, item_vectors
from recloop.metrics import Judged, Metric, item_users
from recloop.progress import SILENT, Progress
from recloop.strategies import Strategy

NAME = "trial"
BLOCKS = 10  # of users; after each of them a hopeless trial may end
USERS = 50  # a block has at least so many, so that a t-test over it means something

Watch = Callable[[NDArray[np.float64]], None]
"""Called after each block of users with the first metric of all users so far, always in the same order of users."""


@dataclass(frozen=True, eq=False)
class Validation:
    """The plan's split applied once more, to its training events; what a run is judged by is not in it.

    Attributes:
        split: users in a random order of their own, so that the first of them speak for all.
        metrics: what a trial is judged by; the first decides.
        vectors: (n_items, d), where a metric needs them.
        ratings: held-out ratings, where a metric needs them.
    """

    split: Split
    metrics: tuple[Metric, ...]
    vectors: NDArray[np.float32] | None
    ratings: HeldOutRatings | None

    @classmethod
    def of(cls, plan: Plan, dataset: Dataset, metrics: Sequence[Metric], progress: Progress = SILENT) -> "Validation":
        """The validation split of a plan.

        Args:
            plan: how to split, and the seed.
            dataset: the whole log.
            metrics: what is judged by.
            progress: shows how far texts are encoded, where a metric needs vectors.

        Raises:
            DataError: the log cannot be split, or its training part cannot be split again.
        """
        train = plan.splitter(dataset).train
        try:
            made = plan.splitter(train)
        except DataError as error:
            raise DataError(
                f"the {train.n_events} training events leave no validation split ({error.given})",
                allowed="a search needs events to judge by that are not those of the test",
                advice="take more data, or another [split]",
            ) from error
        order = np.random.default_rng(child_seed(plan.run.seed, "tune users")).permutation(len(made))
        split = replace(
            made, histories=made.histories.take(order), truth=made.truth.take(order), users=made.users[order]
        )
        needs = {need for metric in metrics for need in metric.needs}
        return cls(
            split=split,
            metrics=tuple(metrics),
            vectors=_vectors(plan, split.train, progress) if "vectors" in needs else None,
            ratings=HeldOutRatings.of(train, split) if "ratings" in needs else None,
        )

    @property
    def sentence(self) -> str:
        """Whom a search is judged by."""
        return (
            f"Judged on {len(self.split):,} users of a validation split: the split '{self.split.name}' once more, "
            "inside the training events. The test events of the plan were not looked at."
        )

    def check(self, kind: type[Strategy]) -> None:
        """Whether a strategy can be judged here.

        Raises:
            SettingError: a metric needs what the strategy or the data does not give.
        """
        for metric in self.metrics:
            if "ratings" in metric.needs and not issubclass(kind, Rater):
                raise SettingError(
                    f"strategy '{kind.name}' has no {metric.name}: it foretells no ratings",
                    advice="judge it by ndcg@10",
                )
            if "ratings" in metric.needs and (self.ratings is None or not len(self.ratings.rows)):
                raise SettingError(
                    f"there is no {metric.name}: the validation users have no held-out ratings",
                    allowed=f"ratings are events of kind '{RATING}' with a value",
                )

    def judge(self, strategy: Strategy, watch: Watch | None = None) -> tuple[dict[str, float], NDArray[np.float64]]:
        """The value of each metric, and the first one per user.

        Args:
            strategy: fitted on ``split.train``.
            watch: may end it by raising.

        Returns:
            Metric name → value, and (n,) float64, NaN where undefined.
        """
        ranker = strategy if watch is None else self._in_blocks(strategy, watch)
        judged = evaluate(self.split, {NAME: ranker}, self.metrics, vectors=self.vectors, ratings=self.ratings)
        values = {metric.name: judged.value(NAME, metric) for metric in self.metrics}
        return values, judged.per_user[NAME, self.metrics[0].name]

    def _in_blocks(self, strategy: Strategy, watch: Watch) -> "_InBlocks":
        kind = _RaterInBlocks if isinstance(strategy, Rater) else _InBlocks
        return kind(strategy, self, watch)

    @property
    def blocks(self) -> int:
        """How many blocks the users are judged in; 1 where a part of them says nothing about the metric."""
        first = self.metrics[0]
        if first.aggregate or first.direction != "higher":
            return 1
        return max(1, min(BLOCKS, len(self.split) // USERS))

    def of_block(self, start: int, stop: int, ranked: Rankings) -> NDArray[np.float64]:
        """The first metric of the users of one block."""
        judged = Judged(
            rankings=ranked,
            truth=self.split.truth.take(np.arange(start, stop)),
            histories=self.split.histories.block(start, stop),
            popularity=self._popularity,
            n_users=self._n_users,
            vectors=self.vectors,
            allowed=self.split.allowed,
        )
        return self.metrics[0].per_user(judged)

    @cached_property
    def _popularity(self) -> NDArray[np.integer]:
        return item_users(self.split.train)

    @cached_property
    def _n_users(self) -> int:
        return self.split.train.positive["user"].n_unique()


class _InBlocks:
    """A strategy that is asked for one block of users after the other, and watched."""

    def __init__(self, strategy: Strategy, validation: Validation, watch: Watch) -> None:
        self.strategy, self.validation, self.watch = strategy, validation, watch

    def rank(
        self, histories: Histories, k: int, *, hide_seen: bool = True, allowed: NDArray[np.bool_] | None = None
    ) -> Rankings:
        """See ``Strategy.rank``."""
        ends = np.linspace(0, len(histories), self.validation.blocks + 1).astype(int)
        parts, values = [], []
        for start, stop in pairwise(ends):
            part = self.strategy.rank(histories.block(start, stop), k, hide_seen=hide_seen, allowed=allowed)
            parts.append(part)
            if stop < len(histories):
                values.append(self.validation.of_block(start, stop, part))
                self.watch(np.concatenate(values))
        return Rankings(np.concatenate([p.items for p in parts]), np.concatenate([p.scores for p in parts]))


class _RaterInBlocks(_InBlocks):
    """The same for a strategy that foretells ratings, too."""

    def predict(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.floating]:
        """See ``Rater.predict``."""
        assert isinstance(self.strategy, Rater)
        return self.strategy.predict(histories, items)


def _vectors(plan: Plan, dataset: Dataset, progress: Progress) -> NDArray[np.float32]:
    """The vectors that a run of the plan would measure diversity in."""
    fed = [name for name in plan.strategies if name not in not_fed(plan, dataset)]
    try:
        return item_vectors([plan.strategies[name].make() for name in fed], dataset, progress).values
    except (ExtraError, MissingError):
        return behaviour_vectors(dataset)
