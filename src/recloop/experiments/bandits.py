"""The arms of a variant whose policy is a bandit, read out although its rewards moved its allocation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.experiments.definition import Experiment
from recloop.experiments.guardrails import Basis
from recloop.metrics.online import OutcomeMetric
from recloop.stats.adaptive import AdaptiveLog, AdaptiveReadout, read_adaptive


@dataclass(frozen=True, slots=True)
class BanditReadout:
    """What the arms of one variant's bandit are worth on one metric of single slates.

    ``slates`` are those that are counted, of ``users``; ``left_out`` those without the chance of every arm (a fallback
    answered, arms came or went). Where nothing can be said, ``found`` is None and ``reason`` says why.
    """

    variant: str
    metric: str
    slates: int
    users: int
    left_out: int
    found: AdaptiveReadout | None = None
    reason: str = ""

    def sentences(self, metric: OutcomeMetric) -> list[str]:
        """In words: every arm with its interval, what is told apart, and the warning on plain means."""
        if self.found is None:
            return [f"The arms of {self.variant} cannot be read on {metric.title}: {self.reason}."]
        arms = [
            f"{arm.arm} {metric.say(arm.value)} (between {metric.say(arm.low)} and {metric.say(arm.high)}; "
            f"{arm.pulls:,} slates, plain mean {metric.say(arm.naive)})"
            for arm in self.found.arms
        ]
        of = f"over {self.slates:,} slates of {self.users:,} users"
        return [
            f"Arms of {self.variant}, {metric.title} {of}: {', '.join(arms)}. {self.found.sentence}",
            self.found.warning,
        ]


def read_bandits(
    experiment: Experiment,
    slates: pl.DataFrame,
    metrics: Mapping[str, OutcomeMetric],
    now: float,
    basis: Basis = "fixed",
) -> Iterator[BanditReadout]:
    """Of each variant whose decisions have arms, on each agreed metric that is a mean over slates.

    Values and differences are made of augmented inverse-propensity scores with weights that steady their variance
    (``stats.adaptive``). The user is the unit. Slates whose attribution window is still open are not counted, since
    late rewards would look like none. Intervals are for one look where the experiment's rule is at its one look, and
    hold at every look otherwise (``stats.adaptive.steady_value``); no rule reads them.

    Args:
        experiment: what was agreed on.
        slates: one row per decision: variant, user, time, decision, arm, allocation (a JSON text), and the sums of
            ``metrics.outcomes.slate_table``. Slates of testers are not among them.
        metrics: by id.
        now: seconds since 1970.
        basis: which intervals the experiment's rule allows now.
    """
    over = slates.filter(pl.col("time") + experiment.window <= now).sort("time", "decision")
    wanted = [metrics[id_] for id_ in experiment.metrics if metrics[id_].denominator == "slates"]
    for variant in experiment.variants:
        mine = over.filter(variant=variant)
        told = mine.filter(pl.col("allocation") != "")
        if not told.height:
            continue
        names, kept, shares = _shares(told)
        if not wanted:
            title = metrics[experiment.primary].title
            reason = f"{title} is no mean over slates; name one among the secondaries, such as slate_ctr"
            yield BanditReadout(variant, experiment.primary, 0, 0, mine.height, reason=reason)
        for metric in wanted:
            planned = None if basis == "fixed" else experiment.planned_for(variant)
            yield _read(experiment, variant, metric, kept, shares, names, mine.height - kept.height, planned)


def _shares(told: pl.DataFrame) -> tuple[list[str], pl.DataFrame, NDArray[np.float64]]:
    """The arms of the last slate, the slates that had just these, and (n, n_arms) the chance of each."""
    texts = told["allocation"].unique(maintain_order=True).to_list()  # few: they change only where something is learned
    chances = [msgspec.json.decode(one, type=dict[str, float]) for one in texts]
    names = list(msgspec.json.decode(told["allocation"][-1], type=dict[str, float]))
    alike = [one.keys() == set(names) for one in chances]
    kept = told.filter(pl.col("allocation").is_in([text for text, same in zip(texts, alike, strict=True) if same]))
    table = np.array([[one.get(arm, 0.0) for arm in names] for one in chances])
    places = kept["allocation"].replace_strict(texts, range(len(texts)), return_dtype=pl.Int64).to_numpy()
    return names, kept, table[places]


def _read(
    experiment: Experiment,
    variant: str,
    metric: OutcomeMetric,
    slates: pl.DataFrame,
    shares: NDArray[np.float64],
    names: list[str],
    left_out: int,
    planned: int | None,
) -> BanditReadout:
    users = slates["user"].rank("dense").to_numpy().astype(np.int64) - 1
    found, reason = None, metric.missing(slates)
    if not reason:
        try:
            arms = slates["arm"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
            log = AdaptiveLog.of(arms, metric.values(slates)[0], shares)
            found = read_adaptive(log, names, names[0], alpha=experiment.alpha, users=users, planned=planned)
        except DataError as error:
            reason = str(error).rstrip(".")
    return BanditReadout(variant, metric.id, slates.height, int(users.max()) + 1, left_out, found, reason)
