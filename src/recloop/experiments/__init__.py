"""Experiments on live users: defined before they start, split by a hash, read out, decided by a rule."""

from recloop.experiments.act import Action, act
from recloop.experiments.assign import assign, bucket
from recloop.experiments.checks import Check
from recloop.experiments.decide import Verdict, decide
from recloop.experiments.definition import Experiment, Guardrail, Variant
from recloop.experiments.log import LogEntry
from recloop.experiments.outlook import Outlook
from recloop.experiments.readout import Readout, read_out
from recloop.experiments.segments import SegmentEffect, Segments, SegmentTest

__all__ = [
    "Action",
    "Check",
    "Experiment",
    "Guardrail",
    "LogEntry",
    "Outlook",
    "Readout",
    "SegmentEffect",
    "SegmentTest",
    "Segments",
    "Variant",
    "Verdict",
    "act",
    "assign",
    "bucket",
    "decide",
    "read_out",
]
