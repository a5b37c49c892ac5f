from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold before a release: its name, whether it holds, and the sentence that says why."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a candidate may be released, and the sentence for each thing that was looked at."""

    open: bool
    sentences: tuple[str, ...]


def gate(verdict: str, checks: Sequence[Check] = ()) -> Gate:
    """A candidate may be released when the experiment's verdict is ``ship`` and every check holds.

    Args:
        verdict: of ``recloop.experiments.decide``.
        checks: everything else that must hold.

    >>> gate("ship", [Check("guardrails", True, "No guardrail was hurt.")]).open
    True
    >>> gate("keep").sentences
    ("The experiment's verdict is 'keep', and only 'ship' may be released.",)
    """
    shipped = verdict == "ship"
    first = (
        "The experiment's verdict is 'ship'."
        if shipped
        else f"The experiment's verdict is '{verdict}', and only 'ship' may be released."
    )
    return Gate(shipped and all(check.passed for check in checks), (first, *(check.sentence for check in checks)))
