"""What came of a page, as each of its slots sees it: the rewards of the slot's own items."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recloop.bandits import Outcomes


def rewards_of(name: str, outcomes: Outcomes, arms: Sequence[str], *, exact: bool = False) -> Outcomes:
    """The outcomes of one slot.

    A decision that tells its slots counts for those that it showed: with its reward where one of the slot's items was
    taken, else with 0, and with the features and the chance of the slot. Outcomes that do not tell which items were
    taken count with the reward of the page.

    Args:
        name: of the slot.
        outcomes: of pages.
        arms: (n) the arm of the slot in each.
        exact: leave out what does not tell the chance that the slot's arm had.

    >>> details = [{"slots": [{"slot": "hero", "items": 1, "propensity": 0.5}, {"slot": "row", "items": 2}]}] * 2
    >>> came = Outcomes(["row=a", "row=b"], [1.0, 1.0], details=details, taken=[[0], [2]])
    >>> own = rewards_of("row", came, ["a", "b"])
    >>> own.rewards.tolist(), own.taken  # type: ignore[union-attr]
    ([0.0, 1.0], [[], [1]])
    """
    rewards = np.asarray(outcomes.rewards, dtype=np.float64)
    details = outcomes.details or [{}] * len(outcomes)
    rows: list[int] = []
    kept: list[tuple[float, list[float] | None, float, dict[str, Any], list[int]]] = []
    for row, told in enumerate(details):
        at, found = _place(name, told)
        if (exact or "slots" in told) and (found is None or not found["items"]):
            continue  # nothing of the slot was seen
        reward, taken = float(rewards[row]), []
        if found is not None and outcomes.taken is not None:
            taken = [place - at for place in outcomes.taken[row] if at <= place < at + found["items"]]
            reward = reward if taken else 0.0
        if found is not None:
            seen, chance = found.get("features"), float(found.get("propensity", 1.0))
        else:
            seen = None if outcomes.features is None else outcomes.features[row].tolist()
            chance = 1.0 if outcomes.propensities is None else float(outcomes.propensities[row])
        rows.append(row)
        kept.append((reward, seen, chance, found or {}, taken))
    width = max((len(seen) for _, seen, *_ in kept if seen), default=0)
    missing = [np.nan] * width
    return Outcomes(
        [arms[row] for row in rows],
        np.array([one[0] for one in kept]),
        np.array([one[1] or missing for one in kept], dtype=np.float64).reshape(len(kept), width) if width else None,
        np.array([one[2] for one in kept]),
        [one[3] for one in kept],
        None if outcomes.taken is None else [one[4] for one in kept],
    )


def _place(name: str, told: Any) -> tuple[int, dict[str, Any] | None]:
    """The first place of a slot in a decision, and what is told of it."""
    at = 0
    for slot in told.get("slots", ()):
        if slot["slot"] == name:
            return at, slot
        at += slot["items"]
    return at, None
