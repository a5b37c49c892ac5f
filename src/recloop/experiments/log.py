from dataclasses import dataclass
from typing import Any

from recloop.experiments.decide import Verdict
from recloop.experiments.readout import Readout, to_json


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

    @classmethod
    def of(cls, readout: Readout, verdict: Verdict, actor: str) -> "LogEntry":
        """The entry of a verdict."""
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
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = to_json(self)
        return found
