"""Several rankings of the same requests become one."""

from recloop.compose.fusion.cascades import cascade
from recloop.compose.fusion.fused import Fused, shares, summed
from recloop.compose.fusion.norms import Calibration, Scale, calibrations, scaled
from recloop.compose.fusion.ranks import reciprocal_rank
from recloop.compose.fusion.scores import comb_mnz, weighted_score
from recloop.compose.fusion.shared_places import quotas

__all__ = [
    "Calibration",
    "Fused",
    "Scale",
    "calibrations",
    "cascade",
    "comb_mnz",
    "quotas",
    "reciprocal_rank",
    "scaled",
    "shares",
    "summed",
    "weighted_score",
]
