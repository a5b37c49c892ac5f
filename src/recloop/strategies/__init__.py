"""Strategies: functions from a history to item scores. One file each; all enter by the same door."""

from recloop.strategies.base import Strategy, setting
from recloop.strategies.registry import available, load, make

__all__ = ["Strategy", "available", "load", "make", "setting"]
