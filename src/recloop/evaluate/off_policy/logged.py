"""A log of what was done with which probability, and the policies that are to be judged by it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DataError, nearest
from recloop.evaluate.off_policy.inverse import check
from recloop.evaluate.off_policy.terms import Array, Codes
from recloop.evaluate.off_policy.weights import check_propensities

SUM = 1e-6  # how far chances may be from summing to one


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """Rounds of a log, in the order of time.

    Args:
        actions: (n,) codes of what was done.
        rewards: (n,) what came of it.
        propensities: (n,) the probability of what was done, as written down then.
        names: of the A actions.
        behaviour: (n, A) the probability of every action, where it was written down.
        positions: (n,) the place where the action was shown, from 1.
        users: (n,) codes from 0; None where each round is a user of its own.
        features: (n, d) what was known before the action.
    """

    actions: NDArray[np.int64]
    rewards: Array
    propensities: Array
    names: tuple[str, ...]
    behaviour: Array | None = None
    positions: NDArray[np.int64] | None = None
    users: Codes | None = None
    features: Array | None = None

    @classmethod
    def of(
        cls,
        actions: Sequence[str] | NDArray[np.object_],
        rewards: ArrayLike,
        propensities: ArrayLike,
        *,
        names: Sequence[str] | None = None,
        behaviour: ArrayLike | None = None,
        positions: ArrayLike | None = None,
        users: Sequence[str] | NDArray[np.object_] | None = None,
        features: ArrayLike | None = None,
    ) -> "Logged":
        """The log by names of actions and users, checked.

        Args:
            actions: (n,) names.
            rewards: see ``Logged``.
            propensities: see ``Logged``.
            names: every action there is, so that those that were never done are known; those of the log where None.
            behaviour: see ``Logged``; columns as ``names``.
            positions: see ``Logged``.
            users: (n,) ids.
            features: see ``Logged``.

        Raises:
            DataError: there is no round; lengths differ; a value is NaN; a propensity is not above 0 and at most 1; an
                action is not among the names; the chances of a round do not sum to 1, or that of the action is another
                than its propensity.

        >>> log = Logged.of(["a", "b", "a"], [1, 0, 1], [0.5, 0.5, 0.5], users=["u", "u", "v"])
        >>> log.n, log.names, log.users.tolist(), log.value
        (3, ('a', 'b'), [0, 0, 1], 0.6666666666666666)
        """
        done = np.asarray(actions, dtype=str)
        if not done.size:
            raise DataError("the log has no round", advice="wait for data, or widen what is read")
        known = tuple(sorted(set(done.tolist()))) if names is None else tuple(names)
        place = {name: code for code, name in enumerate(known)}
        strange = sorted(set(done.tolist()) - place.keys())
        if strange:
            raise DataError(f"the log has the action '{strange[0]}'", advice=nearest(strange[0], known))
        codes = np.array([place[name] for name in done.tolist()], dtype=np.int64)
        gains, chances = np.asarray(rewards, dtype=np.float64), np.asarray(propensities, dtype=np.float64)
        columns: dict[str, Array] = {"actions": codes.astype(np.float64), "rewards": gains, "propensities": chances}
        for name, column in (("features", features), ("behaviour", behaviour), ("positions", positions)):
            if column is not None:
                columns[name] = np.asarray(column, dtype=np.float64)
        check_propensities(np.nan_to_num(chances, nan=0.0))
        check(**columns)
        if "behaviour" in columns:
            _agree(columns["behaviour"], codes, chances, len(known))
        return cls(
            codes,
            gains,
            chances,
            known,
            behaviour=columns.get("behaviour"),
            positions=columns["positions"].astype(np.int64) if "positions" in columns else None,
            users=None if users is None else np.unique(np.asarray(users, dtype=str), return_inverse=True)[1],
            features=columns.get("features"),
        )

    @property
    def n(self) -> int:
        """Rounds."""
        return int(self.actions.size)

    @property
    def value(self) -> float:
        """The mean reward of what was done."""
        return float(self.rewards.mean())

    @property
    def where(self) -> tuple[NDArray[np.int64], int]:
        """(n,) code of the position of each round, and how many there are; one where positions are not known."""
        if self.positions is None:
            return np.zeros(self.n, dtype=np.int64), 1
        places, codes = np.unique(self.positions, return_inverse=True)
        return codes, len(places)

    @property
    def shares(self) -> Array:
        """(n, A) the share that each action has of the log, at the position of each round."""
        codes, places = self.where
        counts = np.zeros((places, len(self.names)))
        np.add.at(counts, (codes, self.actions), 1.0)
        found: Array = (counts / counts.sum(axis=1, keepdims=True))[codes]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A policy to be judged.

    Args:
        name: of the policy.
        chances: (n,) the probability that it does what was done.
        distribution: (n, A) its probability of every action; None where only ``chances`` are known. Without it there is
            no estimate with a model, and missing support shows in the mean weight alone.
    """

    name: str
    chances: Array
    distribution: Array | None = field(default=None)

    @classmethod
    def of(cls, name: str, log: Logged, distribution: ArrayLike) -> "Target":
        """From the probability of every action, (n, A), or (A,) where it is the same in every round.

        Raises:
            DataError: another number of actions, a chance below 0 or NaN, or chances that do not sum to 1.

        >>> log = Logged.of(["a", "b"], [1, 0], [0.5, 0.5])
        >>> Target.of("mostly a", log, [0.9, 0.1]).chances.tolist()
        [0.9, 0.1]
        """
        given = np.atleast_2d(np.asarray(distribution, dtype=np.float64))
        if given.shape not in {(1, len(log.names)), (log.n, len(log.names))}:
            raise DataError(
                f"policy '{name}' has chances of the shape {given.shape}",
                allowed=f"one per action, {len(log.names)} of them, the same for all or for each of {log.n} rounds",
            )
        _sum_to_one(given, f"policy '{name}'")
        full = np.broadcast_to(given, (log.n, len(log.names)))
        return cls(name, full[np.arange(log.n), log.actions], full)


def _sum_to_one(chances: Array, whose: str) -> None:
    wrong = ~((chances >= 0).all(axis=1) & (np.abs(chances.sum(axis=1) - 1) <= SUM))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"the chances of {whose} in row {row + 1} sum to {chances[row].sum():.6g}, the smallest is "
            f"{chances[row].min():.6g}",
            allowed="each is at least 0, and they sum to 1",
        )


def _agree(behaviour: Array, actions: NDArray[np.int64], propensities: Array, n_actions: int) -> None:
    if behaviour.shape[1] != n_actions:
        raise DataError(f"there are chances of {behaviour.shape[1]} actions", allowed=f"the log knows {n_actions}")
    _sum_to_one(behaviour, "what logged")
    apart = np.abs(behaviour[np.arange(len(actions)), actions] - propensities) > SUM
    if apart.any():
        row = int(np.flatnonzero(apart)[0])
        raise DataError(
            f"row {row + 1} says {propensities[row]:.6g} of its action, and its chances of all actions say "
            f"{behaviour[row, actions[row]]:.6g}",
            allowed="both are the same probability",
            advice="read both from the decision as it was recorded",
        )
