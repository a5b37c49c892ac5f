"""What users go through: one row per metric and control, with a traffic light that knows which way is better."""

from recloop.experience.scorecard import EXPERIENCE, Scorecard, ScorecardRow, scorecard

__all__ = ["EXPERIENCE", "Scorecard", "ScorecardRow", "scorecard"]
