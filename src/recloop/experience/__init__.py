"""What users go through: one row per metric and control, with a traffic light that knows which way is better."""

from recloop.experience.problems import Problems, Settings, find_problems
from recloop.experience.scorecard import EXPERIENCE, Scorecard, ScorecardRow, scorecard

__all__ = ["EXPERIENCE", "Problems", "Scorecard", "ScorecardRow", "Settings", "find_problems", "scorecard"]
