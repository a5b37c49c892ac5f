"""The rule that turns preferences into a verdict. It is read before the data.

1. A red check: **invalid**.
2. Fewer users than the minimum: **keep running**.
3. One policy is preferred to *every* other: **prefer** it. Under the fixed rule only once the planned users are there.
4. The planned users are not there yet, and nobody stopped it: **keep running**.
5. Else: **no preference**.

Preferred means that the p-value of the pair, adjusted by Holm over all pairs, is below alpha.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from recloop.experiments.interleaving.definition import Interleaving
from recloop.experiments.interleaving.preference import Preference
from recloop.experiments.json_values import to_json
from recloop.experiments.words import listed, probability


@dataclass(frozen=True, slots=True)
class PreferenceVerdict:
    """What the users prefer, in words, with the facts behind it. ``treatment`` is the policy preferred; else empty."""

    verdict: Literal["prefer", "keep_running", "no_preference", "invalid"]
    sentence: str
    facts: tuple[str, ...]
    treatment: str = ""

    @property
    def paragraph(self) -> str:
        """For people who read nothing else: the sentence with the facts behind it."""
        return " ".join((self.sentence, *self.facts))

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = to_json(self)
        return found


def judge(
    definition: Interleaving,
    preferences: Sequence[Preference],
    hidden: str,
    users: int,
    slates: int,
    *,
    stopped: bool,
) -> PreferenceVerdict:
    """Apply the rule."""
    facts = tuple(_fact(one) for one in preferences)
    if hidden:
        return PreferenceVerdict("invalid", f"Do not read this test. {hidden}", facts)
    if users < definition.minimum_users and not stopped:
        return PreferenceVerdict(
            "keep_running",
            f"Keep running. It is too early to say anything: {users:,} users came, and "
            f"{definition.minimum_users:,} are needed.",
            facts,
        )
    if (best := _best(definition, preferences)) and not (
        definition.rule == "fixed" and users < definition.planned_users and not stopped
    ):
        beaten = [_compared(one, best, slates) for one in preferences if best in {one.policy, one.other}]
        return PreferenceVerdict("prefer", f"Prefer {best}. It earned {listed(beaten)}.", facts, best)
    if users < definition.planned_users and not stopped:
        return PreferenceVerdict(
            "keep_running",
            f"Keep running. {users:,} of {definition.planned_users:,} planned users came. {_open(preferences)}",
            facts,
        )
    known = _open(preferences) or f"{users:,} users came, too few to compare."
    return PreferenceVerdict("no_preference", f"No clear preference. {known}", facts)


def _best(definition: Interleaving, preferences: Sequence[Preference]) -> str:
    chosen = [one.preferred(definition.alpha) for one in preferences]
    rivals = len(definition.policies) - 1
    return next((name for name in definition.policies if chosen.count(name) == rivals), "")


def _compared(one: Preference, best: str, slates: int) -> str:
    """The preference as seen from the one that is preferred."""
    ahead = one.policy == best
    low, high = (one.effect.low, one.effect.high) if ahead else (-one.effect.high, -one.effect.low)
    won, lost = (one.won, one.lost) if ahead else (one.lost, one.won)
    return (
        f"{abs(one.effect.estimate):.3g} credits a slate more than {one.other if ahead else one.policy} "
        f"(between {low:.3g} and {high:.3g}); of {slates:,} slates it won {won:,} and lost {lost:,}"
    )


def _open(preferences: Sequence[Preference]) -> str:
    return " ".join(
        f"{one.policy} against {one.other}: {one.effect.estimate:+.3g} credits a slate, between {one.effect.low:+.3g} "
        f"and {one.effect.high:+.3g}."
        for one in preferences
    )


def _fact(one: Preference) -> str:
    return (
        f"{one.policy} won {one.won:,} slates, {one.other} {one.lost:,}, and {one.even:,} were even "
        f"({one.effect.estimate:+.3g} credits a slate, between {one.effect.low:+.3g} and {one.effect.high:+.3g}, "
        f"{one.effect.method}; {probability(one.p_adjusted)})."
    )
