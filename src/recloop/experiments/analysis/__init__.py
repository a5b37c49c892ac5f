"""Experiments whose data lie elsewhere: read where they lie, by one query, and judged by the same rule."""

from recloop.experiments.analysis.analyze import analyze, scan_of
from recloop.experiments.analysis.conclude import conclude
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.result import Analysis
from recloop.experiments.analysis.scan import Scan

__all__ = ["Analysis", "AnalysisPlan", "Scan", "analyze", "conclude", "scan_of"]
