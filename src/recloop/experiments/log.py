import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from recloop.experiments.act import Action
from recloop.experiments.decide import Verdict
from recloop.experiments.json_values import to_json
from recloop.experiments.readout import Readout


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the decision log: who or what decided, when, by which agreement and on which data."""

    time: float
    actor: str
    experiment: str
    version: int
    definition: str
    data: str
    verdict: str
    treatment: str
    sentence: str
    users: int = 0
    p_value: float = math.nan
    action: str = "none"
    reason: str = ""

    @classmethod
    def of(cls, readout: Readout, verdict: Verdict, actor: str, action: Action | None = None) -> "LogEntry":
        """The entry of a verdict, and of what was done about it.

        ``p_value`` is the smallest of the primary metric, after Holm; NaN where nothing was compared.
        """
        primary = [one.p_adjusted for one in readout.comparisons if not math.isnan(one.p_adjusted)]
        return cls(
            time=readout.now,
            actor=actor,
            experiment=readout.experiment,
            version=readout.version,
            definition=readout.definition,
            data=readout.data,
            verdict=verdict.verdict,
            treatment=verdict.treatment,
            sentence=verdict.sentence,
            users=readout.total_users,
            p_value=min(primary, default=math.nan),
            action=action.kind if action else "none",
            reason=action.reason if action else "",
        )

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "LogEntry":
        """The entry that ``to_dict`` turned into JSON values."""
        known = dict(values)
        if known.get("p_value") is None:
            known["p_value"] = math.nan
        return msgspec.convert(known, cls)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = to_json(self)
        return found
