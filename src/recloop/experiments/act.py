from dataclasses import dataclass
from typing import Literal

from recloop.experiments.decide import Verdict
from recloop.experiments.definition import NONE, Experiment

Kind = Literal["stop", "promote", "none"]


@dataclass(frozen=True, slots=True)
class Action:
    """What follows from a verdict without a person: ``policy`` is the one to put in charge where one is promoted."""

    kind: Kind
    reason: str
    policy: str = ""


def act(experiment: Experiment, verdict: Verdict, *, promote: bool, stop: bool) -> Action:
    """What may be done by itself. Harm ends an experiment; a winner is put in charge; all else waits for a person.

    Args:
        experiment: names the policy of each variant.
        verdict: what its rule says now.
        promote: whether a winner may be promoted: ``experiment.auto_promote``.
        stop: whether harm may end it: ``experiment.auto_stop``.

    >>> from recloop.experiments import Outlook, Variant
    >>> test = Experiment(name="home", variants={
    ...     "popular": Variant(policy="popular", control=True), "blend": Variant(policy="blend-2")})
    >>> ship = Verdict("ship", "Ship blend.", (), "", Outlook(0, None, 0.01), treatment="blend")
    >>> act(test, ship, promote=True, stop=True)
    Action(kind='promote', reason='Ship blend.', policy='blend-2')
    >>> act(test, ship, promote=False, stop=True).reason
    'blend won; a person promotes it, since auto_promote is false.'
    """
    if verdict.verdict == "ship":
        policy = experiment.variants[verdict.treatment].policy
        if policy == NONE:
            return Action("none", f"{verdict.treatment} won by showing nothing; a person takes the slates away.")
        if promote:
            return Action("promote", verdict.sentence, policy)
        return Action("none", f"{verdict.treatment} won; a person promotes it, since auto_promote is false.")
    if verdict.verdict == "roll_back":
        if stop:
            return Action("stop", verdict.sentence)
        return Action("none", "It does harm; a person stops it, since auto_stop is false.")
    waits = {
        "keep_running": "It goes on: nothing is known yet beyond doubt.",
        "inconclusive": "There is no clear answer; a person says what now.",
        "invalid": "Its numbers cannot be read; a person finds out why.",
    }
    return Action("none", waits[verdict.verdict])
