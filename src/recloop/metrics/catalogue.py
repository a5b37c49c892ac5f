import re

from recloop.errors import SettingError, nearest
from recloop.metrics.accuracy import F1, MAP, MRR, NDCG, HitRate, Precision, Recall
from recloop.metrics.beyond_accuracy import Coverage, Diversity, Gini, Novelty, PopularityLift
from recloop.metrics.metric import Accuracy, AtK, Metric
from recloop.metrics.rating import MAE, RMSE

METRICS: dict[str, type[Metric]] = {
    kind.id: kind
    for kind in (
        *(Precision, Recall, F1, HitRate, NDCG, MAP, MRR),
        *(Coverage, Novelty, Diversity, PopularityLift, Gini),
        *(MAE, RMSE),
    )
}
"""Every offline metric by id. Each class states its title, formula, unit and direction."""

_NAME = re.compile(r"(?P<id>[^@\[\]]+)(@(?P<k>[^@\[\]]*))?(\[(?P<convention>[^\[\]]*)\])?")


def parse_metric(name: str) -> Metric:
    """The metric that prints this name: the inverse of ``metric.name``.

    >>> parse_metric("ndcg@10") == NDCG(10)
    True
    >>> parse_metric("map@5[trec]").name
    'map@5[trec]'

    Raises:
        SettingError: there is no such metric, cutoff or convention; the nearest name is offered.
    """
    match = _NAME.fullmatch(name.strip())
    if match is None:
        raise SettingError(f"'{name}' is no metric", allowed="a metric is written like ndcg@10, map@5[trec] or rmse")
    kind = METRICS.get(match["id"])
    if kind is None:
        raise SettingError(f"there is no metric '{match['id']}'", advice=nearest(match["id"], METRICS))
    if not issubclass(kind, AtK):
        if match["k"] is not None or match["convention"] is not None:
            raise SettingError(f"'{name}' is no metric", allowed=f"{kind.id} has neither cutoff nor convention")
        return kind()
    if not (match["k"] or "").isdecimal():
        raise SettingError(f"'{name}' has no cutoff", allowed=f"say how many places count, such as {kind.id}@10")
    k = int(match["k"])
    if match["convention"] is None:
        return kind(k)
    if not issubclass(kind, Accuracy):
        raise SettingError(f"'{name}' is no metric", allowed=f"{kind.id} has no conventions", advice=f"{kind.id}@{k}")
    return kind(k, convention=match["convention"])  # type: ignore[arg-type]  # checked by the metric


def parse_metrics(names: list[str] | tuple[str, ...]) -> tuple[Metric, ...]:
    """Many names, in their order, each once.

    >>> [metric.name for metric in parse_metrics(["mrr@10", "gini@10", "mrr@10"])]
    ['mrr@10', 'gini@10']
    """
    return tuple(dict.fromkeys(parse_metric(name) for name in names))
