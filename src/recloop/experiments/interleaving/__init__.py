"""Interleaving: rankings of several policies in one slate, and clicks that say which of them users prefer."""

from recloop.experiments.interleaving.balanced import balanced
from recloop.experiments.interleaving.definition import Interleaving, interleave
from recloop.experiments.interleaving.methods import METHODS
from recloop.experiments.interleaving.mixture import mix
from recloop.experiments.interleaving.optimised import optimised
from recloop.experiments.interleaving.pairwise import pairwise
from recloop.experiments.interleaving.preference import Preference
from recloop.experiments.interleaving.probabilistic import probabilistic
from recloop.experiments.interleaving.readout import InterleavingReadout, read_out
from recloop.experiments.interleaving.slate import Interleaved
from recloop.experiments.interleaving.team_draft import team_draft
from recloop.experiments.interleaving.verdict import PreferenceVerdict

__all__ = [
    "METHODS",
    "Interleaved",
    "Interleaving",
    "InterleavingReadout",
    "Preference",
    "PreferenceVerdict",
    "balanced",
    "interleave",
    "mix",
    "optimised",
    "pairwise",
    "probabilistic",
    "read_out",
    "team_draft",
]
