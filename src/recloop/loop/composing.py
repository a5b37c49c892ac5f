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
from recloop.loop.kept import Kept, learning, unbound
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
        metrics: the aims, and what else guardrails look at.
        watched: objectives and exposures that guardrails look at.
        bring: what the sources bring for the users to search on, where something is watched.
        search: users that trials are judged on.
        confirm: users that only the chosen points are judged on.
        strategies: fitted on the training part of the validation split.
        kept: the same, as they answered for the users to search on.
        catalogue: the items, and what was learned of objectives on users of neither part.
        vectors: (n_items, d).
    """

    knobs: Knobs
    metrics: tuple[Metric, ...]
    watched: tuple[str, ...]
    bring: Kept | None
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
        *,
        watched: Sequence[str] = (),
    ) -> "Composing":
        """Learn what objectives need, and keep what each strategy says of the users to search on.

        Args:
            plan: the seed, and how to split.
            dataset: the whole log.
            knobs: what may be turned.
            metrics: the aims, and what else guardrails look at.
            vectors: (n_items, d) item vectors.
            strategies: fitted on ``validation.split.train``.
            validation: users in a random order.
            progress: shows how far it has come.
            watched: objectives and exposures that guardrails look at.

        Raises:
            DataError: there are too few validation users for three parts.
            SettingError: the data does not hold what something that is watched is made of.
        """
        split, n = validation.split, len(validation.split)
        every = learning(knobs.every, watched)
        wanted = every.objectives
        learned = min(wanted.users, round(LEARNED * n)) if wanted and (knobs.objectives or watched) else 0
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
            _, objectives = learn(every, strategies, train, part, vectors, seed=seed, progress=progress)
        search = part_of(split, rows[learned : learned + searched])
        kept: dict[str, Strategy] = {}
        asked = list(dict.fromkeys([*knobs.sources, *([knobs.base.fallback] if knobs.base.fallback else [])]))
        with progress.task("Ask each strategy once", total=len(asked)) as advance:
            for name in asked:
                kept[name] = Remembered.of(strategies[name], search, max(knobs.base.candidates, 50))
                advance(1)
        bring = None
        if watched and objectives is not None:
            bring = Kept.of(watched, every, kept, search, objectives)
        return cls(
            knobs=knobs,
            metrics=tuple(metrics),
            watched=tuple(watched),
            bring=bring,
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
        """The aims of a policy, and what guardrails look at, on the users to search on."""
        tried = {"tried": build(unbound(policy), self.kept, self.vectors, catalogue=self.catalogue)}
        found = evaluate(self.search, tried, self.metrics, vectors=self.vectors)
        told = {metric.name: found.value("tried", metric) for metric in self.metrics}
        kept = {} if self.bring is None else self.bring.per_user(found.slates["tried"].items)
        return told | {name: float(values.mean()) for name, values in kept.items()}

    def confirmed(self, policies: Mapping[str, SlateConfig], progress: Progress = SILENT) -> Evaluation:
        """Policies, and each source alone, on the users that nothing was chosen by."""
        rankers = {
            name: build(unbound(policy), self.strategies, self.vectors, catalogue=self.catalogue)
            for name, policy in policies.items()
        }
        alone = {name: self.strategies[name] for name in self.knobs.sources}
        found = evaluate(self.confirm, {**alone, **rankers}, self.metrics, vectors=self.vectors, progress=progress)
        objectives = self.catalogue.objectives
        if not self.watched or objectives is None:
            return found
        every = learning(self.knobs.every, self.watched)
        bring = Kept.of(self.watched, every, self.strategies, self.confirm, objectives)
        kept = {
            (name, of): values
            for name, ranked in found.slates.items()
            for of, values in bring.per_user(ranked.items).items()
        }
        return replace(found, per_user={**found.per_user, **kept})


def part_of(split: Split, rows: NDArray[np.integer]) -> Split:
    """Some requests of a split."""
    return replace(split, histories=split.histories.take(rows), truth=split.truth.take(rows), users=split.users[rows])
