"""What is said of a name that is no metric of live users: the nearest, or why it can be none."""

from collections.abc import Mapping
from types import MappingProxyType

from recloop.errors import SettingError, nearest
from recloop.metrics.online.outcome_metric import OutcomeMetric

_TOGETHER = "it is of all slates together, and no user has a value of it"
_REASONS = (
    "it is of reasons, found by asking the policy again with a part of a history left out, and not of what users did"
)

WITHOUT_USERS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "coverage": (_TOGETHER, ("category_coverage", "popularity_ratio")),
        "exposure_gini": (_TOGETHER, ("popularity_ratio", "novelty")),
        "personalisation": (_TOGETHER, ("diversity", "miscalibration")),
        "reason_coverage": (_REASONS, ("helpful",)),
        "fidelity": (_REASONS, ("helpful",)),
        "minimality": (_REASONS, ("helpful",)),
        "stability": (_REASONS, ("helpful",)),
    }
)
"""Measures of the scorecard that an experiment cannot be held to: why not, and what comes near and can."""


def unknown_metric(name: str, catalogue: Mapping[str, OutcomeMetric], where: str = "") -> SettingError:
    """The error for a name that is not in a catalogue.

    Args:
        name: that was given.
        catalogue: the metrics.
        where: where it was given, such as ``[gate] metrics``.

    >>> print(unknown_metric("fidelity", {}))
    an experiment cannot be held to 'fidelity'; it is of reasons, found by asking ... name helpful here.
    """
    if name in WITHOUT_USERS:
        why, instead = WITHOUT_USERS[name]
        advice = f"read it on the scorecard, and name {' or '.join(instead)} here"
        return SettingError(f"an experiment cannot be held to '{name}'", allowed=why, advice=advice)
    given = f"{where} names '{name}'" if where else f"there is no metric '{name}'"
    return SettingError(given, advice=nearest(name, catalogue))
