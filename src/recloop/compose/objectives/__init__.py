"""What a slate is to be good for: objectives, on one scale, weighed and bounded over all slates together."""

from recloop.compose.objectives.catalogue import OBJECTIVES, Objective
from recloop.compose.objectives.config import ConstraintConfig, ObjectivesConfig

__all__ = ["OBJECTIVES", "ConstraintConfig", "Objective", "ObjectivesConfig"]
