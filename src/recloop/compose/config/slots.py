"""A page of typed slots, as typed settings."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from recloop.types import ItemCondition

if TYPE_CHECKING:
    from recloop.compose.config.kinds import PolicyConfig


class SlotConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One slot of a page: so many places of a kind, with a policy of its own.

    Attributes:
        size: places.
        where: what its items must be, by column of the catalogue; any item where empty.
        policy: what fills it: a table of any kind but ``slots``.
    """

    size: Annotated[int, Meta(ge=1, le=1000)]
    where: dict[str, ItemCondition] = {}
    policy: dict[str, Any]

    @property
    def config(self) -> "PolicyConfig":
        """The settings of its policy."""
        from recloop.compose.config.kinds import policy_config  # a slot holds any other kind

        return policy_config(self.policy)


class SlotsConfig(msgspec.Struct, frozen=True, kw_only=True, tag="slots", tag_field="kind"):
    """A page of typed slots: hero, row, ad …

    Slots are filled in the order in which they are written; no item stands in two of them.

    Attributes:
        slots: name → slot.
        reward_kinds: kinds of the events that reward the decision that they name; any where empty.
        reward_hours: how long after the decision; it counts then, and teaches nothing before.

    >>> from recloop.compose.config import policy_config
    >>> page = policy_config({"kind": "slots", "slots": {"hero": {"size": 1, "policy": {"sources": ["ease"]}}}})
    >>> page.slots["hero"].config.sources
    ['ease']
    """

    slots: dict[Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")], SlotConfig]
    reward_kinds: list[str] = []
    reward_hours: Annotated[float, Meta(gt=0.0)] = 1.0
