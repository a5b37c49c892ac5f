"""What an interleaving test is, written down before it starts."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Self

import msgspec
import numpy as np

from recloop.compose.typed import typed
from recloop.errors import SettingError, nearest
from recloop.experiments.interleaving.methods import METHODS, ONLY_TWO
from recloop.experiments.interleaving.slate import Interleaved, Ranking

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Interleaving(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Policies whose rankings are mixed into one slate for every user, and how their clicks are read.

    Attributes:
        name: letters, digits, ``.``, ``_`` and ``-``.
        policies: names of the policies, two or more; the first is what the others are held against in words.
        design: says that this is no split of users.
        method: how a slate is made and what a click is worth: ``team-draft``, ``balanced``, ``probabilistic``,
            ``optimised`` or ``pairwise``.
        hypothesis: why anybody expects a preference.
        credit: kind of event → what one on an item shown is worth; an item counts once per kind and slate.
        alpha: chance of a false alarm that is accepted.
        window: seconds after a slate in which what users do counts for it.
        minimum_users: users before anything is said.
        planned_users: users at which the test ends; ``recloop.stats.one_sample_size`` finds it.
        rule: ``sequential`` may be looked at and ended any time; ``fixed`` is decided once, at the planned users.
        salt: text that the coins hang on; empty means name and version.
        version: counts the revisions.

    >>> Interleaving(name="home", policies=("popular", "blend")).method
    'team-draft'

    Raises:
        SettingError: a value is out of range, or two do not go together.
    """

    name: str
    policies: tuple[str, ...]
    design: Literal["interleaving"] = "interleaving"
    method: str = "team-draft"
    hypothesis: str = ""
    credit: dict[str, float] = msgspec.field(default_factory=lambda: {"click": 1.0})
    alpha: float = 0.05
    window: float = 86400.0
    minimum_users: int = 100
    planned_users: int = 2_000
    rule: Literal["sequential", "fixed"] = "sequential"
    salt: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingError(
                f"the experiment is named '{self.name}'",
                allowed="1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit",
            )
        if len(self.policies) < 2 or len(set(self.policies)) < len(self.policies):
            raise SettingError(
                f"the policies to interleave are {', '.join(self.policies) or 'none'}", allowed="two or more, each once"
            )
        if self.method not in METHODS:
            raise SettingError(f"there is no method '{self.method}'", advice=nearest(self.method, METHODS))
        if self.method in ONLY_TWO and len(self.policies) > 2:
            raise SettingError(
                f"{self.method} interleaving got {len(self.policies)} policies",
                allowed="it takes two",
                advice="use team-draft or pairwise",
            )
        for kind, worth in self.credit.items():
            if not (math.isfinite(worth) and worth > 0):
                raise SettingError(f"an event '{kind}' is worth {worth}", allowed="a number above 0")
        if not self.credit:
            raise SettingError("no kind of event earns credit", advice="set credit = { click = 1.0 }")
        for name, value, high in (("alpha", self.alpha, 0.5), ("window", self.window, 366 * 86400.0)):
            if not 0 < value < high:
                raise SettingError(f"{name} is {value}", allowed=f"it lies between 0 and {high}")
        if not 2 <= self.minimum_users <= self.planned_users:
            raise SettingError(
                f"minimum_users is {self.minimum_users} and planned_users {self.planned_users}",
                allowed="2 <= minimum_users <= planned_users",
            )

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Self:
        """The test that a TOML table or a JSON object describes.

        Raises:
            SettingError: a setting is unknown (the nearest is offered), or a value is not allowed.

        >>> Interleaving.parse({"name": "home", "policies": ["a", "b"], "methd": "team-draft"})
        Traceback (most recent call last):
        recloop.errors.SettingError: [interleaving] has no setting 'methd'. Did you mean 'method'? ...
        """
        return typed(cls, table, "interleaving")

    def to_dict(self) -> dict[str, Any]:
        """JSON values; ``parse`` turns them back."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every later policy with every earlier one."""
        return tuple((late, early) for at, late in enumerate(self.policies) for early in self.policies[:at])

    @property
    def id(self) -> str:
        """What its decisions are marked with: the name, and from the second version on the version."""
        return self.name if self.version == 1 else f"{self.name}.{self.version}"

    @property
    def policy(self) -> str:
        """The name of the policy that all of them make together."""
        return f"interleaving {self.id}"

    @cached_property
    def effective_salt(self) -> str:
        """The salt that the coins hang on."""
        return self.salt or f"{self.name}.{self.version}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the definition: what was agreed on before the start."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def revised(self, **changes: Any) -> Self:
        """The next version with some settings changed, and fresh coins.

        Raises:
            SettingError: a setting is unknown or not allowed, or the name would change.
        """
        if changes.get("name", self.name) != self.name:
            raise SettingError(f"the revision is named '{changes['name']}'", allowed=f"it keeps the name '{self.name}'")
        fresh = {"version": self.version + 1, "salt": ""}
        return type(self).parse({**self.to_dict(), **fresh, **changes})


def interleave(definition: Interleaving, rankings: Sequence[Ranking], k: int, key: str) -> Interleaved:
    """The slate of one request: a pure function of the salt and the key.

    Args:
        definition: what was agreed on.
        rankings: of each policy in order, best item first.
        k: places of the slate.
        key: what the coins are tossed for, such as the id of the decision.

    Raises:
        SettingError: the rankings do not fit the definition or each other, or ``k`` is out of range.

    >>> test = Interleaving(name="home", policies=("popular", "blend"))
    >>> interleave(test, ["abcd", "cadb"], 3, "d1").items == interleave(test, ["abcd", "cadb"], 3, "d1").items
    True
    """
    if len(rankings) != len(definition.policies):
        raise SettingError(f"{len(rankings)} rankings came for {len(definition.policies)} policies", allowed="one each")
    return METHODS[definition.method](rankings, k, _coins(definition.effective_salt, key))


def _coins(salt: str, key: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{salt}\0{key}".encode()).digest()[:16], "big"))
