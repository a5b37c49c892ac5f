from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.compose.business.limits import Limit
from recloop.compose.business.settings import AnyRule, Pin


def contradictions(
    rules: Sequence[AnyRule],
    masks: Mapping[int, NDArray[np.bool_]],
    lifts: Mapping[int, NDArray[np.float32]],
    limits: Mapping[int, Limit],
    pins: Mapping[int, NDArray[np.int64]],
) -> list[str]:
    """What rules want that cannot all be had, as sentences; only of rules that may hold for one user.

    Looked for: an item that is pinned and hidden, or pinned twice; two pins for one place; more items of a group pinned
    than its cap allows; the same items boosted and buried; every item hidden. What hangs on the user (age, what was
    bought) or on the moment is no contradiction: there the order of precedence decides.

    Args:
        rules: as configured.
        masks: of rules that hide the same for everyone, (n_items,).
        lifts: of boosts and burials, (n_items,).
        limits: of caps.
        pins: item indices of pins.
    """
    said = [
        f"the rule '{rules[a].name}' pins {_named(rules[a], list(where))}, which the rule '{rules[b].name}' hides"
        for a in pins
        for b in masks
        if _together(rules[a], rules[b]) and (where := masks[b][pins[a]]).any()
    ]
    for a in pins:
        for b in pins:
            if a < b and _together(rules[a], rules[b]):
                if shared := _places(rules[a]) & _places(rules[b]):
                    said.append(f"the rules '{rules[a].name}' and '{rules[b].name}' pin the same place {min(shared)}")
                if np.isin(pins[a], pins[b]).any():
                    said.append(f"the rules '{rules[a].name}' and '{rules[b].name}' pin the same item")
        for b, limit in limits.items():
            if _together(rules[a], rules[b]):
                counts = np.bincount(limit.groups[pins[a]].ravel(), minlength=limit.n_groups + 1)[: limit.n_groups]
                if counts.max(initial=0) > limit.most:
                    said.append(
                        f"the rule '{rules[a].name}' pins {counts.max()} items of a group of which the rule "
                        f"'{rules[b].name}' allows {limit.most}"
                    )
    for a in lifts:
        for b in lifts:
            opposed = a < b and _together(rules[a], rules[b]) and (lifts[a].any() and lifts[b].any())
            if opposed and np.array_equal(lifts[a] > 0, lifts[b] < 0) and np.array_equal(lifts[a] < 0, lifts[b] > 0):
                said.append(f"the rules '{rules[a].name}' and '{rules[b].name}' boost and bury the same items")
    always = [place for place in masks if not rules[place].when]
    if always and np.all(np.any([masks[place] for place in always], axis=0)):
        said.append(f"the rules {', '.join(repr(rules[place].name) for place in always)} together hide every item")
    return said


def _together(a: AnyRule, b: AnyRule) -> bool:
    """Whether both may hold for one user: no attribute must have values of which none is shared."""
    return all(set(values) & set(b.when.get(name, values)) for name, values in a.when.items())


def _places(rule: AnyRule) -> set[int]:
    return set(range(rule.place, rule.place + len(rule.items))) if isinstance(rule, Pin) else set()


def _named(rule: AnyRule, hidden: Sequence[bool]) -> str:
    assert isinstance(rule, Pin)
    return f"'{next(item for item, out in zip(rule.items, hidden, strict=True) if out)}'"
