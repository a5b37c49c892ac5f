"""The problem finder: where users were served worse, since when, why, what they say, and what to do."""

from recloop.experience.problems.find import find_problems
from recloop.experience.problems.health import Joins
from recloop.experience.problems.measures import MEASURES, Measure
from recloop.experience.problems.said import Words, keywords, unless_praise
from recloop.experience.problems.schema import (
    Cause,
    Change,
    Evidence,
    Finding,
    HealthCheck,
    Place,
    Problems,
    Quote,
    Said,
    finding_id,
    json_schema,
)
from recloop.experience.problems.settings import Settings

__all__ = [
    "MEASURES",
    "Cause",
    "Change",
    "Evidence",
    "Finding",
    "HealthCheck",
    "Joins",
    "Measure",
    "Place",
    "Problems",
    "Quote",
    "Said",
    "Settings",
    "Words",
    "find_problems",
    "finding_id",
    "json_schema",
    "keywords",
    "unless_praise",
]
