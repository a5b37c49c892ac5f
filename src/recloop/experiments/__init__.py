"""Experiments on live users: defined before they start, split by a hash, read out, decided by a rule."""

from recloop.experiments.act import Action, act
from recloop.experiments.assign import Allocation, allocate, assign, bucket
from recloop.experiments.checks import Check
from recloop.experiments.decide import Verdict, decide
from recloop.experiments.definition import Experiment, Guardrail, Holdout, Variant
from recloop.experiments.layers import placed
from recloop.experiments.log import LogEntry
from recloop.experiments.outlook import Outlook
from recloop.experiments.ramp import Step
from recloop.experiments.readout import Readout, read_out
from recloop.experiments.segments import SegmentEffect, Segments, SegmentTest
from recloop.experiments.steps import NextStep, Ramping, next_step
from recloop.experiments.targeting import Condition

__all__ = [
    "Action",
    "Allocation",
    "Check",
    "Condition",
    "Experiment",
    "Guardrail",
    "Holdout",
    "LogEntry",
    "NextStep",
    "Outlook",
    "Ramping",
    "Readout",
    "SegmentEffect",
    "SegmentTest",
    "Segments",
    "Step",
    "Variant",
    "Verdict",
    "act",
    "allocate",
    "assign",
    "bucket",
    "decide",
    "next_step",
    "placed",
    "read_out",
]
