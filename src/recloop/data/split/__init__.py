"""Ways to part a log into what strategies learn from and what they are judged by, each saying what leaks."""

from recloop.data.split.base import Split, Splitter
from recloop.data.split.cold import ColdItem, ColdUser
from recloop.data.split.core import k_core
from recloop.data.split.last_out import LeaveLastOut
from recloop.data.split.named import SPLITTERS, split, splitter
from recloop.data.split.per_user import PerUserRandom
from recloop.data.split.temporal import Temporal

__all__ = [
    "SPLITTERS",
    "ColdItem",
    "ColdUser",
    "LeaveLastOut",
    "PerUserRandom",
    "Split",
    "Splitter",
    "Temporal",
    "k_core",
    "split",
    "splitter",
]
