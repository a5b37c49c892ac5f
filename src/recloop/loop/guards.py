"""What a search of policies must keep: guardrails as they were asked for, and the constraints of the plan."""

from collections.abc import Sequence

from recloop.compose import SlateConfig
from recloop.compose.objectives.catalogue import NEW, OBJECTIVES
from recloop.errors import SettingError, nearest
from recloop.evaluate import Guardrail
from recloop.loop.kept import is_kept
from recloop.loop.plan import Plan
from recloop.metrics import Metric, parse_metric


def constraints_of(plan: Plan) -> list[Guardrail]:
    """What the plan's policy asks of all slates together."""
    own = plan.policy.objectives if isinstance(plan.policy, SlateConfig) else None
    return [] if own is None else [Guardrail(c.of, c.at_least, relative=c.relative) for c in own.constraints]


def guarded(guards: Sequence[Guardrail], aims: Sequence[Metric]) -> tuple[tuple[str, ...], tuple[Metric, ...]]:
    """Objectives and exposures that guardrails look at, and all metrics that are to be judged.

    Raises:
        SettingError: a guardrail is on nothing that is known.

    >>> from recloop.metrics import NDCG
    >>> watched, metrics = guarded([Guardrail.parse("new>=0.05"), Guardrail.parse("coverage@10>=0.2")], [NDCG(10)])
    >>> watched, [metric.name for metric in metrics]
    (('new',), ['ndcg@10', 'coverage@10'])
    """
    watched, metrics = dict.fromkeys(g.metric for g in guards if is_kept(g.metric)), list(aims)
    for guard in guards:
        if guard.metric in watched or guard.metric in {metric.name for metric in metrics}:
            continue
        try:
            metric = parse_metric(guard.metric)
        except SettingError as error:
            known = [*(aim.name for aim in aims), *OBJECTIVES, NEW]
            raise SettingError(
                f"the guardrail is on '{guard.metric}'",
                allowed="it is on a metric such as coverage@10, an objective such as revenue, new, or provider:NAME",
                advice=nearest(guard.metric, known),
            ) from error
        metrics.append(of_slates(metric))
    return tuple(watched), tuple(metrics)


def of_slates(metric: Metric) -> Metric:
    """The metric, where it judges slates.

    Raises:
        SettingError: it judges foretold ratings.
    """
    if "ratings" in metric.needs:
        raise SettingError(f"policies are not judged by {metric.name}", allowed="they rank, and foretell no ratings")
    return metric
