"""Trials end early where they are hopeless."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.stats import paired

if TYPE_CHECKING:
    import optuna

RACE = 0.01  # error rate at which a trial that is behind the best after some users is ended
FIRST_BLOCK = 10**6  # in the journal, what blocks of users gave stands behind what rounds of training gave


class Hopeless(Exception):  # noqa: N818
    """A trial that need not be finished."""


class Stopped(Exception):  # noqa: N818
    """The search ends; the trial will be tried again."""


class Watcher:
    """Follows one trial while it trains and is judged, and ends it when it is hopeless or the search ends."""

    def __init__(
        self, trial: "optuna.Trial", stop: Event, best: Callable[[], NDArray[np.float64] | None], *, may_end: bool
    ) -> None:
        # ``stop`` ends all trials; ``best`` is what users gave in the best so far
        self.trial, self.stop, self.best, self.may_end = trial, stop, best, may_end
        self.round = 0

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Callable[[float], None]]:  # noqa: ARG002
        """Work inside a trial has no bar of its own."""
        yield self._sign_of_life

    def note(self, text: str) -> None:
        """Said by every trial alike: not passed on."""

    def validated(self, value: float) -> None:
        """One more round of training."""
        self._sign_of_life()
        if self.may_end and np.isfinite(value):
            self.trial.report(value, self.round)
            if self.trial.should_prune():
                raise Hopeless(f"below the median of earlier trials after round {self.round + 1} of training")
        self.round += 1

    def users(self, values: NDArray[np.float64]) -> None:
        """One more block of users is judged: the race against the best so far."""
        self._sign_of_life()
        best = self.best()
        if not self.may_end or best is None:
            return
        self.trial.report(float(np.nanmean(values)), FIRST_BLOCK + len(values))
        with suppress(DataError):  # fewer than two users have both
            if paired(values, best[: len(values)], RACE).high < 0:
                raise Hopeless(f"clearly behind the best after {len(values):,} users")

    def _sign_of_life(self, amount: float = 0) -> None:  # noqa: ARG002
        if self.stop.is_set():
            raise Stopped
