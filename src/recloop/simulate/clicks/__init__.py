"""Click models: what users look at on a slate, estimated from logs of slates, and drawn from."""

from recloop.simulate.clicks.choose import Judged, best_model
from recloop.simulate.clicks.dependent import Cascade, DynamicBayesian, fit_cascade, fit_dynamic_bayesian
from recloop.simulate.clicks.model import ClickModel, Estimate, curve, perplexity
from recloop.simulate.clicks.position import PositionBased, fit_position_based, harvest

__all__ = [
    "Cascade",
    "ClickModel",
    "DynamicBayesian",
    "Estimate",
    "Judged",
    "PositionBased",
    "best_model",
    "curve",
    "fit_cascade",
    "fit_dynamic_bayesian",
    "fit_position_based",
    "harvest",
    "perplexity",
]
