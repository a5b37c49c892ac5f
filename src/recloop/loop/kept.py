"""What all slates of a policy together must keep beside its aims: an objective's mean, a share of exposure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from recloop.compose import SlateConfig
from recloop.compose.objectives import OBJECTIVES, ObjectivesConfig
from recloop.compose.objectives.catalogue import NEW, PROVIDER, RELEVANCE
from recloop.compose.objectives.exposure import of_slates
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.objectives.learn import PLACES, offer
from recloop.compose.objectives.offered import aligned
from recloop.data.split import Split
from recloop.strategies import Strategy


def is_kept(name: str) -> bool:
    """Whether a name is that of an objective or of a share of exposure, not of a metric.

    >>> is_kept("revenue"), is_kept("new"), is_kept("ndcg@10"), is_kept("relevance")
    (True, True, False, False)
    """
    return (name in OBJECTIVES and name != RELEVANCE) or name == NEW or name.startswith(PROVIDER)


@dataclass(frozen=True, eq=False)
class Kept:
    """Objectives and exposures of everything that the sources bring for some requests.

    Attributes:
        items: (n, m) candidates.
        values: name → (n, m), NaN where unknown.
        n_items: of the catalogue.
    """

    items: NDArray[np.int32]
    values: Mapping[str, NDArray[np.float64]]
    n_items: int

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        every: SlateConfig,
        strategies: Mapping[str, Strategy],
        split: Split,
        learned: Objectives,
    ) -> "Kept":
        """Look once at all that any policy over these sources can show.

        Args:
            names: objectives, ``new`` or ``provider:NAME``.
            every: the policy of all sources.
            strategies: fitted on ``split.train``.
            split: the requests.
            learned: what foretells objectives.

        Raises:
            SettingError: the data does not hold what one is made of.
        """
        whole = msgspec.structs.replace(every, fusion="reciprocal-rank", ranker="", quotas={})
        deep = every.candidates * max(1, len(every.weights))
        offered = offer(whole, strategies, split, np.arange(len(split)), PLACES, depth=deep)
        return cls(offered.items, learned.values(offered, names), split.train.n_items)

    def per_user(self, shown: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
        """Name → (n,) the mean of each slate (n, k), weighed by exposure; what is not known counts 0."""
        places = aligned(self.items, shown[:, :PLACES], self.n_items)
        return {name: of_slates(found, places) for name, found in self.values.items()}


def learning(every: SlateConfig, names: Sequence[str]) -> SlateConfig:
    """The policy of all sources that learns what these names are made of, without multipliers.

    >>> made = learning(SlateConfig(sources=["ease"]), ["revenue", "new"])
    >>> made.objectives.weights, made.objectives.constraints
    ({'revenue': 1.0}, [])
    """
    before = every.objectives or ObjectivesConfig()
    more = {name: 1.0 for name in names if name in OBJECTIVES}
    return msgspec.structs.replace(
        every, objectives=msgspec.structs.replace(before, weights=dict(before.weights) | more, constraints=[])
    )


def unbound(policy: SlateConfig) -> SlateConfig:
    """The policy without its constraints: the search heeds them as guardrails, a run learns their multipliers."""
    if policy.objectives is None or not policy.objectives.constraints:
        return policy
    return msgspec.structs.replace(policy, objectives=msgspec.structs.replace(policy.objectives, constraints=[]))
