"""A synthetic shop with known truth, and simulated users who visit a live service."""

from recloop.simulate.behaviour import Behaviour, Reactions, Traits
from recloop.simulate.client import Client, HttpClient, ServiceError
from recloop.simulate.memory import Memory
from recloop.simulate.traffic import Traffic, drive
from recloop.simulate.truth import Truth, Worth
from recloop.simulate.world import World

__all__ = [
    "Behaviour",
    "Client",
    "HttpClient",
    "Memory",
    "Reactions",
    "ServiceError",
    "Traffic",
    "Traits",
    "Truth",
    "World",
    "Worth",
    "drive",
]
