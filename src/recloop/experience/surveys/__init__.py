"""Asking users how they like it, and predicting what those say who were not asked."""

from recloop.experience.surveys.survey import Survey

__all__ = ["Survey"]
