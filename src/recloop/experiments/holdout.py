"""Held-out users against everybody else: what all that was launched did together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from recloop.errors import DataError
from recloop.experiments.assign import in_holdout
from recloop.experiments.decide import decide
from recloop.experiments.definition import Experiment, Holdout, Variant
from recloop.experiments.readout import Readout, read_out
from recloop.experiments.words import against, lift, listed, probability
from recloop.stats import Effect

HELD, REST = "held-out", "everybody-else"


@dataclass(frozen=True, slots=True)
class HoldoutReadout:
    """What held-out users did against everybody else since a moment.

    Attributes:
        holdout: who is held out.
        since: seconds since 1970; slates before are not counted.
        until: slates from then on are not counted.
        readout: of two variants, ``held-out`` (the control) and ``everybody-else``.
        sentence: what all launches did together to the primary metric, or why nobody can say.
        metrics: ids of those that were asked for, the primary one first.
    """

    holdout: Holdout
    since: float
    until: float
    readout: Readout
    sentence: str
    metrics: tuple[str, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        """In words: who took part, the checks, and every metric that was agreed on."""
        users = listed([f"{name} {count:,}" for name, count in self.readout.users.items()])
        facts = [f"{self.readout.total_users:,} users: {users}.", *(one.sentence for one in self.readout.checks)]
        for one in self.readout.comparisons:
            metric = self.readout.metrics[one.metric]
            if one.effect and one.metric in self.metrics:
                facts.append(f"{metric.title}: {lift(metric, one.effect)}; {probability(one.effect.p_value)}.")
        return tuple(facts)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        holdout = {"share": self.holdout.share, "salt": self.holdout.salt, "policy": self.holdout.policy}
        times = {"since": self.since, "until": self.until if math.isfinite(self.until) else None}
        return {"holdout": holdout, **times, "sentence": self.sentence, "readout": self.readout.to_dict()}


def sides(users: Sequence[str], holdout: Holdout) -> pl.DataFrame:
    """user, and variant: ``held-out`` or ``everybody-else``; nobody knows who is anonymous, so "" is in neither ("").

    A pure function of the salt and the id, so it holds for slates from before anybody knew of it.

    >>> sides(["u1", "u3", ""], Holdout(share=0.2, salt="2026-q4"))["variant"].to_list()
    ['held-out', 'everybody-else', '']
    """
    # SHA-256 has no bulk form; a million users take about a second
    names = [(HELD if in_holdout(holdout, user) else REST) if user else "" for user in users]
    return pl.DataFrame({"user": users, "variant": names}, schema={"user": pl.String, "variant": pl.String})


def comparison_of(
    holdout: Holdout, *, primary: str, secondaries: Sequence[str] = (), alpha: float, window: float, planned_users: int
) -> Experiment:
    """The two groups as an experiment: a split by the hash that made the holdout.

    Raises:
        DataError: nobody is held out.
    """
    if not holdout.share:
        raise DataError("the holdout's share is 0", allowed="somebody must be held out to be compared with")
    return Experiment(
        name="holdout",
        hypothesis="What was launched does good, taken together.",
        variants={
            HELD: Variant(policy=holdout.policy or "default", weight=holdout.share, control=True),
            REST: Variant(policy="default", weight=1 - holdout.share),
        },
        primary=primary,
        secondaries=tuple(one for one in dict.fromkeys(secondaries) if one != primary),
        alpha=alpha,
        window=window,
        planned_users=max(planned_users, 200),
    )


def read_holdout(
    experiment: Experiment,
    holdout: Holdout,
    table: pl.DataFrame,
    now: float,
    *,
    since: float,
    until: float = math.inf,
    **more: Any,
) -> HoldoutReadout:
    """Compare held-out users with everybody else.

    Traffic, repeated looks and the size of the groups are judged as in any experiment; the interval holds at every
    look. What users of an experiment that runs just now get counts among everybody else.

    Args:
        experiment: see ``comparison_of``.
        holdout: who is held out.
        table: one row per (variant, user) with the variants of ``sides``, as ``metrics.outcomes.user_table`` makes it.
        now: seconds since 1970.
        since: which slates are in the table.
        until: likewise.
        more: see ``read_out``.
    """
    readout = read_out(experiment, table, now, **more)
    return HoldoutReadout(holdout, since, until, readout, _sentence(experiment, readout), experiment.metrics)


def _sentence(experiment: Experiment, readout: Readout) -> str:
    if readout.hidden:
        return f"Do not read this holdout. {readout.hidden}"
    metric, fewest = readout.metrics[experiment.primary], min(readout.users, key=lambda name: readout.users[name])
    least = decide(experiment, readout).verdict == "keep_running" and readout.users[fewest] < experiment.minimum_users
    if least:
        return f"Too early to say anything: {fewest} has {readout.users[fewest]:,} users."
    (one,) = readout.of(experiment.primary)
    if one.effect is None:
        return f"The {metric.title} of both cannot be compared: {one.reason}."
    said = f"{metric.title} is {metric.say(one.effect.treatment)}, against {against(metric, HELD, one.effect)}"
    return f"{_claim(one.effect, metric.sign, experiment.alpha)} Its {said}."


def _claim(effect: Effect, sign: int, alpha: float) -> str:
    if effect.p_value >= alpha:
        return "That everybody else fares better or worse than held-out users is not beyond doubt."
    return f"What was launched did {'good' if sign * effect.estimate > 0 else 'harm'}, taken together."
