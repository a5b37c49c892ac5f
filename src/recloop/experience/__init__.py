"""What users go through: every metric with a light that knows which way is better, fairness, all slates, the log."""

from recloop.experience.exposure import Shown, coverage, exposure_gini, personalisation
from recloop.experience.fair import (
    Fairness,
    ProviderFairness,
    crossed_groups,
    fairness,
    ndkl,
    provider_fairness,
    tidy,
    told,
)
from recloop.experience.health import LogHealth, log_health
from recloop.experience.measure import user_experience
from recloop.experience.problems import Problems, Settings, find_problems
from recloop.experience.proxy import Proxy, proxies
from recloop.experience.questionnaire import Questionnaire, Statement, resque
from recloop.experience.reasons import Trust, trust
from recloop.experience.result import MetricValue, UserExperience
from recloop.experience.scorecard import EXPERIENCE, Scorecard, ScorecardRow, scorecard
from recloop.experience.together import POPULATION, PopulationRow, population

__all__ = [
    "EXPERIENCE",
    "POPULATION",
    "Fairness",
    "LogHealth",
    "MetricValue",
    "PopulationRow",
    "Problems",
    "ProviderFairness",
    "Proxy",
    "Questionnaire",
    "Scorecard",
    "ScorecardRow",
    "Settings",
    "Shown",
    "Statement",
    "Trust",
    "UserExperience",
    "coverage",
    "crossed_groups",
    "exposure_gini",
    "fairness",
    "find_problems",
    "log_health",
    "ndkl",
    "personalisation",
    "population",
    "provider_fairness",
    "proxies",
    "resque",
    "scorecard",
    "tidy",
    "told",
    "trust",
    "user_experience",
]
