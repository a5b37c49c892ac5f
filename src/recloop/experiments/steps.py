"""When a ramp goes on, waits, or ends. The rule is read before the data, like the verdict."""

import math
from dataclasses import dataclass
from typing import Literal

from recloop.charts.scale import as_share
from recloop.experiments.definition import Experiment
from recloop.experiments.ramp import steps
from recloop.experiments.readout import Readout
from recloop.experiments.words import against, listed

Move = Literal["stay", "widen", "stop"]
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Ramping:
    """Where a running experiment stands on its ramp: the step, from 0, and when it began (seconds since 1970)."""

    step: int = 0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class NextStep:
    """What becomes of the ramp now, and why.

    Attributes:
        move: ``stay``, ``widen`` to the next step, or ``stop`` the experiment.
        share: of the units that take part after it; 0 after a stop.
        sentence: why.
        due: when the step ends (seconds since 1970); infinite for the last one.
    """

    move: Move
    share: float
    sentence: str
    due: float = math.inf


def share_now(experiment: Experiment, step: int) -> float:
    """The share of units that takes part in a step of the ramp; beyond the last one, the last one's."""
    plan = steps(experiment.ramp, experiment.traffic)
    return plan[min(step, len(plan) - 1)].share


def due(experiment: Experiment, ramping: Ramping) -> float:
    """When the step ends, in seconds since 1970; infinite for the last one. Before the start date no step runs."""
    plan = steps(experiment.ramp, experiment.traffic)
    hours = plan[min(ramping.step, len(plan) - 1)].hours
    begun = max(ramping.since, experiment.starts.timestamp()) if experiment.starts else ramping.since
    return math.inf if hours is None else begun + hours * HOUR


def next_step(experiment: Experiment, readout: Readout, now: float, ramping: Ramping) -> NextStep:
    """What the ramp does at ``now``, seen what the readout shows.

    1. The step is not over: **stay**.
    2. A red check (traffic not split as planned, users in two variants …): **stop**.
    3. Some treatment does harm: worse than a control on the primary metric, or a guardrail breached, by intervals that
       are valid at every look: **stop**. A skewed metric in arms of unequal size is not believed before they have the
       users that its skew asks for (``stats.skewness``).
    4. A variant has fewer users than ``minimum_users``, or the primary metric was never measured: **stay**; nothing
       can be said yet.
    5. Else: **widen**.

    Harm to one treatment stops all: a version without it is a new split.
    """
    share = share_now(experiment, ramping.step)
    part, end = f"{as_share(share)} of the traffic", due(experiment, ramping)
    if now < end:
        over = "the last step" if math.isinf(end) else f"step {ramping.step + 1}, which is not over"
        return NextStep("stay", share, f"{part}: {over}.", end)
    if readout.hidden:
        return NextStep("stop", 0.0, f"Stopped at {part}. {readout.hidden}", end)
    if found := harms(experiment, readout):
        return NextStep("stop", 0.0, f"Stopped at {part}. {' '.join(found)}", end)
    live = [name for name, weight in experiment.weights.items() if weight > 0]
    fewest = min(live, key=lambda name: readout.users.get(name, 0))
    if readout.users.get(fewest, 0) < experiment.minimum_users:
        return NextStep(
            "stay",
            share,
            f"{part}: {fewest} has {readout.users.get(fewest, 0):,} users, and each variant needs "
            f"{experiment.minimum_users:,} before more take part.",
            end,
        )
    if missing := {one.reason for one in readout.of(experiment.primary) if "not measured" in one.reason}:
        title = readout.metrics[experiment.primary].title
        return NextStep("stay", share, f"{part}: {title} is {missing.pop()}.", end)
    wider = share_now(experiment, ramping.step + 1)
    return NextStep(
        "widen", wider, f"From {as_share(share)} to {as_share(wider)} of the traffic: no harm is seen.", end
    )


def harms(experiment: Experiment, readout: Readout) -> tuple[str, ...]:
    """The treatments that are worse beyond doubt at every look, as sentences; empty where there is none."""
    metric = readout.metrics[experiment.primary]
    found = []
    for one in readout.of(experiment.primary):
        effect = one.sequential
        # as strict as the verdict: the chance of any false stop stays below alpha over all pairs (Bonferroni)
        strict = experiment.alpha / max(len(experiment.pairs), 1)
        if effect and not one.users_needed and effect.p_value < strict and effect.estimate * metric.sign < 0:
            own = metric.say(effect.treatment)
            found.append(
                f"{one.treatment} does harm: its {metric.title} is {own}, "
                f"against {against(metric, one.control, effect)}."
            )
    breached = [one for one in readout.guardrails if one.status == "breached"]
    if breached:
        named = listed(
            list(dict.fromkeys(f"{readout.metrics[one.metric].title} ({one.treatment})" for one in breached))
        )
        found.append(f"Guardrail breached: {named}.")
    return tuple(found)
