"""What an interleaving test shows: who is preferred, by how much, and whether that may be believed."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import polars as pl

from recloop.experiments.checks import Check
from recloop.experiments.fingerprint import fingerprint
from recloop.experiments.guardrails import Basis
from recloop.experiments.interleaving.definition import Interleaving
from recloop.experiments.interleaving.earned import earned, per_user
from recloop.experiments.interleaving.preference import Preference
from recloop.experiments.interleaving.verdict import PreferenceVerdict, judge
from recloop.experiments.json_values import to_json
from recloop.stats import Moments, always_valid_one_sample, holm, one_sample

UNFAIR = 0.001  # p-value below which the coins are not believed
SKIPPED_LIMIT = 0.01  # share of slates without a ballot that is told


@dataclass(frozen=True, slots=True)
class InterleavingReadout:
    """All that is known of an interleaving test at a moment.

    Where a check is red, ``hidden`` holds the reason and there are no preferences. ``skipped`` counts the slates
    without a ballot: a policy failed, and another answered alone. ``informative`` counts those in which the rankings
    differed: only they can tell anything.
    """

    experiment: str
    version: int
    definition: str
    data: str
    now: float
    method: str
    policies: tuple[str, ...]
    basis: Basis
    users: int
    slates: int
    informative: int
    skipped: int
    checks: tuple[Check, ...]
    hidden: str
    preferences: tuple[Preference, ...]
    verdict: PreferenceVerdict

    def of(self, policy: str, other: str) -> Preference:
        """The comparison of two policies, as it stands in ``preferences``."""
        return next(one for one in self.preferences if {one.policy, one.other} == {policy, other})

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {field.name: to_json(getattr(self, field.name)) for field in dataclasses.fields(self)}


def read_out(
    definition: Interleaving, decisions: pl.DataFrame, events: pl.DataFrame, now: float, *, stopped: bool = False
) -> InterleavingReadout:
    """Read an interleaving test.

    Args:
        definition: what was agreed on.
        decisions: id, user, time, items, and the ballot in ``arm``, which is empty where a slate of this test was not
            interleaved, and null where it is not of this test (an event may belong to it, and earns nothing).
        events: user, item, kind, value, time, decision.
        now: seconds since 1970.
        stopped: nobody will come any more; what is unclear now stays so.

    Raises:
        DataError: a column is missing, an id comes twice, or an ``arm`` is no ballot of these policies.

    >>> from recloop.experiments.interleaving import interleave
    >>> test = Interleaving(name="home", policies=("popular", "blend"), planned_users=200)
    >>> made = [interleave(test, ["abcd", "cdba"], 2, f"d{i}") for i in range(200)]
    >>> decisions = pl.DataFrame({"id": [f"d{i}" for i in range(200)], "user": [f"u{i}" for i in range(200)],
    ...     "time": 0.0, "items": [list(one.items) for one in made], "arm": [one.ballot() for one in made]})
    >>> events = pl.DataFrame({"user": [f"u{i}" for i in range(60)], "item": "c", "kind": "click", "value": 0.0,
    ...     "time": 1.0, "decision": [f"d{i}" for i in range(60)]})
    >>> print(read_out(test, decisions, events, now=0.0).verdict.sentence)
    Prefer blend. It earned 0.3 credits a slate more than popular (between 0.217 and 0.383); of 200 slates it won 60
    and lost 0.
    """
    slates = earned(definition, decisions, events)
    table = per_user(definition, slates)
    skipped = int((decisions["arm"] == "").sum())
    found = _checks(definition, table, skipped, slates.height + skipped, _sent(definition, events))
    hidden = " ".join(one.sentence for one in found if one.level == "red")
    over = table.height >= definition.planned_users
    basis: Basis = "fixed" if definition.rule == "fixed" and over else "always valid"
    preferences = () if hidden or table.height < 2 else _preferences(definition, table, basis)
    return InterleavingReadout(
        experiment=definition.name,
        version=definition.version,
        definition=definition.fingerprint,
        data=fingerprint(table.with_columns(variant=pl.lit(""))),
        now=now,
        method=definition.method,
        policies=definition.policies,
        basis=basis,
        users=table.height,
        slates=slates.height,
        informative=int(table["informative"].sum()),
        skipped=skipped,
        checks=found,
        hidden=hidden,
        preferences=preferences,
        verdict=judge(definition, preferences, hidden, table.height, int(table["slates"].sum()), stopped=stopped),
    )


def _preferences(definition: Interleaving, table: pl.DataFrame, basis: Basis) -> tuple[Preference, ...]:
    found = []
    for one, other in definition.pairs:
        moments = Moments.of((table[f"credit.{one}"] - table[f"credit.{other}"]).to_numpy(), table["slates"].to_numpy())
        fixed = one_sample(moments, definition.alpha)
        ever = always_valid_one_sample(moments, definition.alpha, planned=definition.planned_users)
        won, lost = (int(table[f"{a}>{b}"].sum()) for a, b in ((one, other), (other, one)))
        even = int(table["slates"].sum()) - won - lost
        found.append((one, other, fixed, ever, fixed if basis == "fixed" else ever, won, lost, even))
    adjusted = holm([row[4].p_value for row in found]).tolist()
    return tuple(Preference(*row[:5], p, *row[5:]) for row, p in zip(found, adjusted, strict=True))


def _sent(definition: Interleaving, events: pl.DataFrame) -> bool:
    return bool(events["kind"].is_in(list(definition.credit)).any())


def _checks(definition: Interleaving, table: pl.DataFrame, skipped: int, decided: int, sent: bool) -> tuple[Check, ...]:
    """Every check on validity, worst first."""
    found = [_coins(definition, table)]
    kinds = " or ".join(definition.credit)
    if sent:
        found.append(Check("measured", "green", f"Events of kind {kinds} came."))
    else:
        found.append(Check("measured", "red" if table.height else "green", f"No event of kind {kinds} was ever sent."))
    many = skipped > SKIPPED_LIMIT * decided
    found.append(
        Check(
            "skipped",
            "yellow" if many else "green",
            f"{skipped:,} of {decided:,} slates were not interleaved, since a policy failed.",
        )
    )
    order = {"red": 0, "yellow": 1, "green": 2}
    return tuple(sorted(found, key=lambda one: order[one.level]))


def _coins(definition: Interleaving, table: pl.DataFrame) -> Check:
    """Whether the coins favoured a policy: what each would earn of clicks that do not look at the items."""
    if table.height < max(definition.minimum_users, 2):
        return Check("coins", "green", "Too few users to judge the coins.")
    lucks = {
        pair: one_sample(Moments.of((table[f"luck.{pair[0]}"] - table[f"luck.{pair[1]}"]).to_numpy()))
        for pair in definition.pairs
    }
    pair, worst = min(lucks.items(), key=lambda entry: entry[1].p_value)
    p = min(1.0, worst.p_value * len(lucks))
    favoured = pair[0] if worst.estimate > 0 else pair[1]
    if p < UNFAIR:
        return Check(
            "coins",
            "red",
            f"The slates on record favour {favoured} whatever is clicked (p = {p:.2g}): slates of some kind are lost.",
        )
    return Check("coins", "green", f"The slates on record favour nobody (p = {p:.2g}).")
