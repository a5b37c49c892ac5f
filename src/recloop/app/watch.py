"""What somebody who watches the service is told: how long each stage of a request took, and how late events come."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

STAGES = ("assign", "history", "choose", "reasons", "store")


class Watch(Protocol):
    """Told of stages and of events; it never learns whose they are."""

    def stage(self, name: str) -> AbstractContextManager[object]:
        """A context that lasts as long as a stage, one of ``STAGES``."""
        ...

    def came(self, lag: float) -> None:
        """A batch of events came; the oldest happened ``lag`` seconds before."""
        ...

    def chose(self, policy: str, propensity: float) -> None:
        """A policy chose an arm with this probability."""
        ...

    def failed(self, policy: str, strategy: str) -> None:
        """A strategy failed for a request to a policy, or was late; or the policy itself did."""
        ...

    def ruled(self, policy: str, rule: str, places: int, exposure: float) -> None:
        """A business rule changed so many places of a slate and moved so much of its exposure."""
        ...


class Unwatched:
    """Nobody watches."""

    def stage(self, _name: str) -> AbstractContextManager[object]:
        """Nothing happens."""
        return nullcontext()

    def came(self, lag: float) -> None:
        """Nothing happens."""

    def chose(self, policy: str, propensity: float) -> None:
        """Nothing happens."""

    def failed(self, policy: str, strategy: str) -> None:
        """Nothing happens."""

    def ruled(self, policy: str, rule: str, places: int, exposure: float) -> None:
        """Nothing happens."""
