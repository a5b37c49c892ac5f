"""The commands on what users go through: each module adds its own to the group."""

from recloop.cli.ux import feedback, labels, problems, review, satisfaction, scorecard
from recloop.cli.ux.group import ux

__all__ = ["feedback", "labels", "problems", "review", "satisfaction", "scorecard", "ux"]
