from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.compose.config import SlateConfig
from recloop.compose.fusion.cascades import cascade
from recloop.compose.fusion.fused import Fused
from recloop.compose.fusion.learned import LearnedFusion
from recloop.compose.fusion.norms import calibrations
from recloop.compose.fusion.ranks import reciprocal_rank
from recloop.compose.fusion.scores import comb_mnz, weighted_score
from recloop.compose.fusion.shared_places import quotas
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, along
from recloop.errors import SettingError, nearest


class Fuser:
    """The fusion that a policy's settings describe.

    Args:
        config: of the policy.
        names: of its sources, in the order of the rankings.
        weights: of these.
        models: name → text of a trained model.

    Raises:
        SettingError: what the fusion needs is not there: calibrations, quotas, a model.
        ExtraError: it is learned, and the extra ``blend`` is not installed.
        ArtifactError: the model does not fit.
    """

    def __init__(
        self, config: SlateConfig, names: Sequence[str], weights: Sequence[float], models: Mapping[str, str]
    ) -> None:
        self._config, self._weights = config, weights
        self._calibrations = calibrations(tuple(names), config.calibration) if config.calibrated else None
        self._places = [config.quotas.get(name, 0) for name in names] if config.fusion == "quotas" else []
        self._learned: LearnedFusion | None = None
        if config.fusion == "learned":
            if config.model not in models:
                raise SettingError(
                    f"the fusion is to be learned, and there is no model '{config.model}'",
                    advice=nearest(config.model, models) if models else "let a run train it",
                )
            self._learned = LearnedFusion(models[config.model], len(names))

    def fuse(
        self, rankings: Sequence[Rankings], k: int, histories: Histories, ranker: NDArray[np.float32] | None = None
    ) -> Fused:
        """The k best of what the sources found.

        Args:
            rankings: of each source.
            k: places.
            histories: of the requests.
            ranker: (n, n_items) what the ranker of a cascade says.
        """
        config = self._config
        if self._learned is not None:
            return self._learned.fuse(rankings, k, histories, self._weights)
        if config.fusion == "quotas":
            return quotas(rankings, k, places=self._places)
        if config.fusion in ("weighted-score", "comb-mnz"):
            combine = comb_mnz if config.fusion == "comb-mnz" else weighted_score
            return combine(rankings, k, weights=self._weights, scale=config.scale, calibrations=self._calibrations)
        fused = reciprocal_rank(rankings, k, weights=self._weights, constant=config.constant)
        if ranker is None:
            return fused
        return cascade(fused, along(ranker, np.maximum(fused.rankings.items, 0)))
