"""What must hold before a release."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recloop.errors import SettingError
from recloop.experience.fair import Fairness
from recloop.experiments.words import listed
from recloop.metrics.online import OUTCOMES, unknown_metric


class GateConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a release must show of groups of users.

    Attributes:
        worst_group: how much worse than under the control a group may fare, as a share (0.02 is two per cent); None
            asks for nothing.
        metrics: on which metrics of live users.
        unclear: what becomes of a group of which the data do not tell: ``refuse`` or ``allow``.
    """

    worst_group: Annotated[float, Meta(ge=0, lt=1)] | None = None
    metrics: list[str] = msgspec.field(default_factory=lambda: ["slate_ctr"])
    unclear: Literal["refuse", "allow"] = "refuse"

    def __post_init__(self) -> None:
        for metric in self.metrics:
            if metric not in OUTCOMES:
                raise unknown_metric(metric, OUTCOMES, "[gate] metrics")

    @property
    def loss(self) -> float:
        """The loss that is tolerated; two per cent where none is named."""
        return 0.02 if self.worst_group is None else self.worst_group


NO_GATE = GateConfig()


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


def group_check(fairness: Fairness | None, config: GateConfig) -> Check:
    """No group of users may fare worse than under the control by more than is tolerated.

    Each group that is large enough must be shown not to (its interval lies above the loss); where the data allow both,
    ``unclear`` of the settings decides. Groups that are too small to tell are counted, and ask for nothing.

    Args:
        fairness: of the experiment, read with the loss of the settings; None where nothing is known of users.
        config: the settings.

    Raises:
        SettingError: fairness was read with another loss, or without a metric of the settings.

    >>> group_check(None, GateConfig(worst_group=0.02)).sentence
    'Nothing is known of users, so nobody can say that no group fares worse: send a profile with the requests.'
    """
    name = "groups of users"
    if config.worst_group is None:
        return Check(name, True, "Nothing is asked of groups of users.")
    told = "Nothing is known of users, so nobody can say that no group fares worse: send a profile with the requests."
    if fairness is None or not fairness.control:
        return Check(name, False, told)
    if fairness.loss != config.worst_group or not set(config.metrics) <= set(fairness.metrics):
        raise SettingError("fairness was read by other settings", advice="read it with this [gate]")
    rows = [row for row in fairness.rows if row.metric in config.metrics]
    groups = [(f"{one.group} ({row.title})", one.held) for row in rows for one in row.groups]
    if not groups:
        return Check(name, False, "No group of users is large enough to be told from the others.")
    breached = [group for group, held in groups if held == "breached"]
    unclear = [group for group, held in groups if held == "unclear"]
    loss = f"{config.worst_group:.1%}"
    if breached:
        return Check(name, False, f"Worse by more than {loss}: {listed(breached[:5])}.")
    if unclear and config.unclear == "refuse":
        return Check(name, False, f"It is not shown that no group is worse by more than {loss}: {_few(unclear)}.")
    aside = f" Of {_few(unclear)} it is not clear." if unclear else ""
    return Check(name, True, f"No group is worse by more than {loss} ({len(groups)} were looked at).{aside}")


def _few(groups: Sequence[str]) -> str:
    return listed(list(groups[:3])) + (f" and {len(groups) - 3} more" if len(groups) > 3 else "")
