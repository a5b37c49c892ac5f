"""Which step of its policy moved each item of a slate that is to be explained."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from msgspec.structs import replace

from recloop.compose.policy import Choices, Policy
from recloop.compose.rules import Rules
from recloop.compose.steps import WORDS, Move, mover
from recloop.data.histories import Histories
from recloop.types import SlateItem

_log = logging.getLogger("recloop.engine")


def with_steps(
    policy: Policy | None, choices: Choices, histories: Histories, rules: Rules, slate: tuple[SlateItem, ...]
) -> tuple[tuple[SlateItem, ...], Mapping[str, Any]]:
    """One slate with reasons that say which step moved each item, and the details of its decision with all steps.

    Args:
        policy: that made the slate; None where it is not known, and nothing is told.
        choices: one row.
        histories: one row.
        rules: what it had to keep to.
        slate: with reasons.
    """
    details: Mapping[str, Any] = choices.details[0] if choices.details else {}
    told: list[list[Move]] = []
    try:
        told = [] if policy is None else policy.moves(histories, choices, rules)
    except Exception as error:  # noqa: BLE001  a slate is not lost because nobody can say why
        _log.warning("the steps of a slate were not told: %s", type(error).__name__)
    if not told:
        return slate, details
    said = tuple(replace(entry, reason=_said(entry.reason, mover(own))) for entry, own in zip(slate, told, strict=True))
    return said, {**details, "steps": [[asdict(move) for move in own] for own in told]}


def _said(reason: str, move: Move | None) -> str:
    """A reason, and what put the item where it stands where that is more than the sources."""
    if move is None or move.step == "fusion":
        return reason
    return f"{reason}; {WORDS[move.step]} put it at place {move.place}"
