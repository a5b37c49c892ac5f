"""What a bandit has learned, as a value: arrays by name, which JSON and npz can hold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.errors import ArtifactError, SettingError

FORMAT = 2
"""Raised by every change of what a state holds. Format 1 is that of Beta counts alone, and is still read."""

Array = NDArray[np.float64]
Value = Array | tuple[Array, ...]
"""An array, or the rows of one: rows let an update share what it does not touch."""


@lru_cache(maxsize=256)
def _every(arms: int) -> tuple[int, ...]:
    return tuple(range(arms))


@dataclass(frozen=True, slots=True)
class State:
    """What a bandit knows. Nothing changes it: an update makes another one.

    Attributes:
        bandit: the name of the algorithm that reads it.
        arms: every arm that was ever known, in the order in which they came.
        offered: places in ``arms`` of those that may be chosen, in the order of the columns of ``propensities``.
        per_arm: arrays whose first axis is ``arms``.
        common: the other arrays.
        derived: what was computed of the rest, kept to save the time; it is not stored.

    >>> from recloop.bandits import BetaThompson
    >>> state = BetaThompson().initial(["a", "b"])
    >>> State.of(state.to_dict()) == state, state.to_dict()["per_arm"]["pulls"]
    (True, [0.0, 0.0])
    """

    bandit: str
    arms: tuple[str, ...]
    offered: tuple[int, ...]
    per_arm: Mapping[str, Value]
    common: Mapping[str, Array]
    derived: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def all_offered(self) -> bool:
        """Whether every arm may be chosen, in the order of ``arms``."""
        return self.offered is _every(len(self.arms)) or self.offered == _every(len(self.arms))

    @property
    def less(self) -> Array | None:
        """(n or 1, n_offered) what is taken from the expected reward of each arm before arms are compared."""
        return self.common.get("less")

    def array(self, name: str) -> Array:
        """(n_offered, …) what is kept of each arm that may be chosen."""
        value = self.per_arm[name]
        whole = np.stack(value) if isinstance(value, tuple) else value
        return whole if self.all_offered else whole[list(self.offered)]

    def places(self, arms: Sequence[str] | NDArray[Any]) -> NDArray[np.intp]:
        """Where arms stand in ``arms``, by name; whole numbers are taken as places.

        Raises:
            SettingError: an arm is unknown.
        """
        if isinstance(arms, np.ndarray) and arms.dtype.kind in "iu":
            if len(arms) == 1 and 0 <= arms[0] < len(self.arms):
                return arms.astype(np.intp, copy=False)
            if len(arms) and not 0 <= int(arms.min()) <= int(arms.max()) < len(self.arms):
                raise SettingError(
                    f"an outcome is of arm number {int(arms.max())}", allowed=f"0 to {len(self.arms) - 1}"
                )
            return arms.astype(np.intp, copy=False)
        known = {name: place for place, name in enumerate(self.arms)}
        found = np.fromiter((known.get(str(name), -1) for name in arms), np.intp, len(arms))
        if len(found) and found.min() < 0:
            name = arms[int(found.argmin())]
            raise SettingError(f"an outcome is of the arm '{name}', which the state does not know")
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """A value that JSON can hold."""
        return {
            "format": FORMAT,
            "bandit": self.bandit,
            "arms": list(self.arms),
            "offered": list(self.offered),
            "per_arm": {name: np.asarray(value).tolist() for name, value in self.per_arm.items()},
            "common": {name: value.tolist() for name, value in self.common.items()},
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "State":
        """The state that ``to_dict`` made.

        Raises:
            SettingError: it has another format, or is no state.

        >>> State.of({"format": 9})
        Traceback (most recent call last):
        recloop.errors.SettingError: the state of the policy has the format 9; format 2 is wanted (or 1, of Beta ...
        """
        if stored.get("format") == 1:
            counts = np.array([*stored["arms"].values()], dtype=np.float64).reshape(-1, 2)
            arms = tuple(stored["arms"])
            per_arm = {"pulls": counts.sum(axis=1), "total": counts[:, 0], "squares": counts[:, 0]}
            return cls("beta", arms, tuple(range(len(arms))), per_arm, {})
        if stored.get("format") != FORMAT:
            raise SettingError(
                f"the state of the policy has the format {stored.get('format')!r}",
                allowed=f"format {FORMAT} is wanted (or 1, of Beta counts)",
                advice="start from initial() and replay the outcomes",
            )
        try:
            return cls(
                str(stored["bandit"]),
                tuple(stored["arms"]),
                tuple(stored["offered"]),
                {name: np.array(value, dtype=np.float64) for name, value in stored["per_arm"].items()},
                {name: np.array(value, dtype=np.float64) for name, value in stored["common"].items()},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SettingError(
                f"the state of the policy cannot be read ({error})", advice="replay the outcomes"
            ) from None

    def save(self, file: Path) -> None:
        """Write it as an ``.npz``, exactly."""
        told = {"format": FORMAT, "bandit": self.bandit, "arms": self.arms, "offered": self.offered}
        arrays = {f"arm.{name}": np.asarray(value) for name, value in self.per_arm.items()}
        arrays |= {f"common.{name}": value for name, value in self.common.items()}
        with file.open("wb") as handle:
            np.savez(handle, about=np.array(json.dumps(told)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, file: Path) -> "State":
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: the file is missing or damaged.
            SettingError: it has another format.
        """
        try:
            with np.load(file, allow_pickle=False) as kept:
                told = json.loads(str(kept["about"]))
                arrays = {name: kept[name] for name in kept.files if name != "about"}
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(f"{file} is no state of a bandit ({type(error).__name__})") from None
        per_arm = {name[4:]: value for name, value in arrays.items() if name.startswith("arm.")}
        common = {name[7:]: value for name, value in arrays.items() if name.startswith("common.")}
        return cls.of({**told, "per_arm": per_arm, "common": common})
