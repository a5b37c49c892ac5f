"""Experiments on live users: defined before they start, split by a hash, read out, decided by a rule."""

from recloop.experiments.analysis import Analysis, AnalysisPlan, analyze, conclude, scan_of
from recloop.experiments.assign import assign, bucket
from recloop.experiments.decide import Verdict, decide
from recloop.experiments.definition import Experiment, Guardrail, Variant
from recloop.experiments.log import LogEntry
from recloop.experiments.readout import Readout, read_out

__all__ = [
    "Analysis",
    "AnalysisPlan",
    "Experiment",
    "Guardrail",
    "LogEntry",
    "Readout",
    "Variant",
    "Verdict",
    "analyze",
    "assign",
    "bucket",
    "conclude",
    "decide",
    "read_out",
    "scan_of",
]
