from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from recloop.errors import SettingError
from recloop.metrics import Metric, parse_metrics
from recloop.metrics.catalogue import METRICS
from recloop.metrics.metric import AtK

FEW = 2  # metrics that are named one by one


class MetricsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What strategies are judged by.

    Attributes:
        k: cutoffs for every metric that needs one.
        names: metrics, with a cutoff of their own (``ndcg@5``) or without (then one for each of ``k``). The first is
            what strategies are ranked by.
    """

    k: list[Annotated[int, Meta(ge=1)]] = msgspec.field(default_factory=lambda: [10])
    names: list[str] = msgspec.field(
        default_factory=lambda: [
            "ndcg",
            "recall",
            "precision",
            "hit-rate",
            "mrr",
            "map",
            "coverage",
            "novelty",
            "diversity",
            "popularity-lift",
            "gini",
        ]
    )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics as values, each once.

        Raises:
            SettingError: there is none, or one has a wrong name or cutoff.

        >>> [metric.name for metric in MetricsConfig(k=[5, 10], names=["ndcg", "rmse", "mrr@3"]).metrics]
        ['ndcg@5', 'ndcg@10', 'rmse', 'mrr@3']
        """
        whole = [
            f"{name}@{k}" if needs_k else name
            for name in self.names
            for needs_k in [name in METRICS and issubclass(METRICS[name], AtK)]
            for k in (self.k if needs_k else [0])
        ]
        if not whole:
            raise SettingError("there is nothing to judge by", advice='metrics.names = ["ndcg"], metrics.k = [10]')
        return parse_metrics(whole)

    def within(self, items: int) -> tuple["MetricsConfig", str]:
        """The same with no cutoff above the size of the catalogue, and what was lowered, as a sentence or "".

        >>> config, said = MetricsConfig(k=[5, 100], names=["ndcg"]).within(80)
        >>> [metric.name for metric in config.metrics], said
        (['ndcg@5', 'ndcg@80'], 'The catalogue has 80 items: ndcg@100 is judged as ndcg@80.')
        >>> MetricsConfig(k=[5, 10], names=["ndcg", "recall", "mrr"]).within(1)[1]
        'The catalogue has 1 item: what is asked at 5 and 10 is judged at 1.'
        """
        high = [metric for metric in self.metrics if isinstance(metric, AtK) and metric.k > items]
        if not high:
            return self, ""
        lowered = {metric: replace(metric, k=items) for metric in high}
        words = ", ".join(f"{metric.name} is judged as {low.name}" for metric, low in lowered.items())
        if len(lowered) > FEW:
            asked = " and ".join(str(k) for k in sorted({metric.k for metric in high}))
            words = f"what is asked at {asked} is judged at {items}"
        names = dict.fromkeys(lowered.get(metric, metric).name for metric in self.metrics)  # type: ignore[call-overload]
        config = MetricsConfig(k=list(dict.fromkeys(min(k, items) for k in self.k)), names=list(names))
        return config, f"The catalogue has {items:,} item{'s' * (items != 1)}: {words}."
