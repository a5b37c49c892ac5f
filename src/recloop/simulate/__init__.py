"""A synthetic shop with known truth, and simulated users who visit a live service."""

from recloop.simulate.behaviour import Behaviour, Reactions, Traits
from recloop.simulate.client import HttpClient, Visited
from recloop.simulate.memory import Memory
from recloop.simulate.traffic import Traffic, drive
from recloop.simulate.truth import Truth, Worth
from recloop.simulate.world import World

__all__ = [
    "Behaviour",
    "HttpClient",
    "Memory",
    "Reactions",
    "Traffic",
    "Traits",
    "Truth",
    "Visited",
    "World",
    "Worth",
    "drive",
]
