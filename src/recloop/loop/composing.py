"""What a search of policies is judged by: validation users in three parts, to learn from, to search on, to confirm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose import Catalogue, SlateConfig, build
from recloop.compose.objectives.learn import learn
from recloop.data.dataset import Dataset
from recloop.data.split import Split
from recloop.errors import DataError
from recloop.evaluate import Evaluation, evaluate
from recloop.loop.knobs import Knobs
from recloop.loop.plan import Plan, child_seed
from recloop.loop.remembered import Remembered
from recloop.loop.validation import Validation
from recloop.metrics import Metric
from recloop.progress import SILENT, Progress
from recloop.strategies import Strategy

SEARCHED = 1000  # users that each trial is judged on, at most
LEAST = 20  # users in each part
LEARNED = 0.4  # share of the validation users that objectives are learned from, at most


@dataclass(frozen=True, eq=False)
class Composing:
    """Policies over fitted strategies, judged on users that nothing was learned from.

    Attributes:
        knobs: what may be turned.
        metrics: the aims.
        search: users that trials are judged on.
        confirm: users that only the chosen points are judged on.
        strategies: fitted on the training part of the validation split.
        kept: the same, as they answered for the users to search on.
        catalogue: the items, and what was learned of objectives on users of neither part.
        vectors: (n_items, d).
    """

    knobs: Knobs
    metrics: tuple[Metric, ...]
    search: Split
    confirm: Split
    strategies: Mapping[str, Strategy]
    kept: Mapping[str, Strategy]
    catalogue: Catalogue
    vectors: NDArray[np.float32] | None

    @classmethod
    def of(
        cls,
        plan: Plan,
        dataset: Dataset,
        knobs: Knobs,
        metrics: Sequence[Metric],
        vectors: NDArray[np.float32] | None,
        strategies: Mapping[str, Strategy],
        validation: Validation,
        progress: Progress = SILENT,
    ) -> "Composing":
        """Learn what objectives need, and keep what each strategy says of the users to search on.

        Args:
            plan: the seed, and how to split.
            dataset: the whole log.
            knobs: what may be turned.
            metrics: the aims.
            vectors: (n_items, d) item vectors.
            strategies: fitted on ``validation.split.train``.
            validation: users in a random order.
            progress: shows how far it has come.

        Raises:
            DataError: there are too few validation users for three parts.
        """
        split, n = validation.split, len(validation.split)
        wanted = knobs.every.objectives
        learned = min(wanted.users, round(LEARNED * n)) if wanted is not None and knobs.objectives else 0
        searched = min(SEARCHED, (n - learned) // 2)
        if searched < LEAST:
            raise DataError(
                f"there are {n} validation users",
                allowed=f"a search of policies needs {4 * LEAST} or more: some to learn from, to search on, to confirm",
                advice="take more data, or another [split]",
            )
        rows = np.arange(n)
        objectives = None
        if learned:
            train = plan.splitter(dataset).train
            part = part_of(split, rows[:learned])
            seed = child_seed(plan.run.seed, "objectives")
            _, objectives = learn(knobs.every, strategies, train, part, vectors, seed=seed, progress=progress)
        search = part_of(split, rows[learned : learned + searched])
        kept: dict[str, Strategy] = {}
        asked = list(dict.fromkeys([*knobs.sources, *([knobs.base.fallback] if knobs.base.fallback else [])]))
        with progress.task("Ask each strategy once", total=len(asked)) as advance:
            for name in asked:
                kept[name] = Remembered.of(strategies[name], search, max(knobs.base.candidates, 50))
                advance(1)
        return cls(
            knobs=knobs,
            metrics=tuple(metrics),
            search=search,
            confirm=part_of(split, rows[learned + searched :]),
            strategies=strategies,
            kept=kept,
            catalogue=Catalogue(dataset.items, objectives=objectives),
            vectors=vectors,
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What the values of a policy hang on beside the policy."""
        return {
            "users": len(self.search),
            "data": self.search.train.fingerprint,
            "split": self.search.name,
            "strategies": {name: self.strategies[name].config() for name in self.knobs.sources},
        }

    @property
    def sentence(self) -> str:
        """Whom policies are judged by."""
        return (
            f"Trials are judged on {len(self.search):,} validation users, the points chosen on {len(self.confirm):,} "
            "others. The test events of the plan were not looked at."
        )

    def judge(self, policy: SlateConfig) -> dict[str, float]:
        """The aims of a policy on the users to search on."""
        tried = {"tried": build(policy, self.kept, self.vectors, catalogue=self.catalogue)}
        found = evaluate(self.search, tried, self.metrics, vectors=self.vectors)
        return {metric.name: found.value("tried", metric) for metric in self.metrics}

    def confirmed(self, policies: Mapping[str, SlateConfig]) -> Evaluation:
        """Policies, and each source alone, on the users that nothing was chosen by."""
        rankers = {
            name: build(policy, self.strategies, self.vectors, catalogue=self.catalogue)
            for name, policy in policies.items()
        }
        alone = {name: self.strategies[name] for name in self.knobs.sources}
        return evaluate(self.confirm, {**alone, **rankers}, self.metrics, vectors=self.vectors)


def part_of(split: Split, rows: NDArray[np.integer]) -> Split:
    """Some requests of a split."""
    return replace(split, histories=split.histories.take(rows), truth=split.truth.take(rows), users=split.users[rows])
