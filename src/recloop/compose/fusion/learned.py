"""Fusion that is learned: trees that rank candidates by what each source says of them (extra ``blend``)."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.fusion.cascades import cascade
from recloop.compose.fusion.fused import Fused
from recloop.compose.fusion.norms import scaled
from recloop.compose.fusion.ranks import reciprocal_rank
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import ArtifactError, DataError, ExtraError

SETTINGS = {
    "objective": "lambdarank",
    "learning_rate": 0.06,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "lambdarank_truncation_level": 20,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
}


def features(rankings: Sequence[Rankings], fused: Fused, histories: Histories) -> NDArray[np.float32]:
    """(n, m, 3 s + 3) what s sources say of each of m fused candidates.

    Of each source: its score between the worst and the best of the request, 1 / rank, and whether it holds the item (0
    throughout where it does not); then the reciprocal rank score of all, how many hold it, and the logarithm of one
    plus the length of the history, which tells new users from known ones.

    >>> one = Rankings(np.array([[4, 2]], np.int32), np.array([[3.0, 1.0]], np.float32))
    >>> features([one], reciprocal_rank([one], 2), Histories.of([[]], n_items=5)).astype(float).round(2).tolist()
    [[[1.0, 1.0, 1.0, 1.0, 1.0, 0.0], [0.0, 0.5, 1.0, 0.98, 1.0, 0.0]]]
    """
    items = fused.rankings.items
    n, m = items.shape
    made = np.zeros((n, m, 3 * len(rankings) + 3), np.float32)
    cells = np.arange(n)[:, None] * (histories.n_items + 1) + items
    for source, ranking in enumerate(rankings):
        if not ranking.items.size:
            continue
        own = (np.arange(n)[:, None] * (histories.n_items + 1) + ranking.items).ravel()
        order = np.argsort(own, kind="stable")
        place = order[np.minimum(np.searchsorted(own, cells, sorter=order), len(own) - 1)]
        held = (own[place] == cells) & (items >= 0)
        made[:, :, 3 * source] = np.where(held, scaled(ranking, "min-max").ravel()[place], 0)
        made[:, :, 3 * source + 1] = np.where(held, 1.0 / (1 + place % ranking.k), 0)
        made[:, :, 3 * source + 2] = held
    made[:, :, -3] = np.where(items >= 0, fused.rankings.scores, 0)
    made[:, :, -2] = made[:, :, 2:-3:3].sum(axis=2)
    made[:, :, -1] = np.log1p(histories.lengths)[:, None]
    return made


class LearnedFusion:
    """A trained model that orders candidates.

    Args:
        text: the model as LightGBM writes it; it runs nothing, being read as numbers.
        sources: how many strategies it was trained for.

    Raises:
        ExtraError: the extra ``blend`` is not installed.
        ArtifactError: the text is no model, or is one for other sources.
    """

    def __init__(self, text: str, sources: int) -> None:
        lightgbm = blend("learned fusion")
        try:
            self._model = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise ArtifactError("the model of a learned fusion cannot be read", advice="run the plan again") from error
        if self._model.num_feature() != 3 * sources + 3:
            raise ArtifactError(
                f"the model of a learned fusion reads {self._model.num_feature()} numbers of a candidate, and "
                f"{sources} sources give {3 * sources + 3}",
                advice="run the plan again",
            )

    def fuse(
        self, rankings: Sequence[Rankings], k: int, histories: Histories, weights: Sequence[float] | None = None
    ) -> Fused:
        """The union of the candidates, the k best by reciprocal rank, in the order of the model."""
        fused = reciprocal_rank(rankings, k, weights=weights)
        held = fused.rankings.items >= 0
        scores = np.full(held.shape, -np.inf)
        if held.any():
            scores[held] = self._model.predict(features(rankings, fused, histories)[held], num_threads=1)
        return cascade(fused, scores)


def learn_fusion(
    rankings: Sequence[Rankings],
    histories: Histories,
    relevant: NDArray[np.bool_],
    *,
    fused: Fused,
    rounds: int = 150,
    seed: int = 0,
) -> str:
    """A model that orders candidates so that what users took comes first: LambdaMART.

    Burges, "From RankNet to LambdaRank to LambdaMART", 2010, as LightGBM grows it (Ke et al., NeurIPS 2017).

    Args:
        rankings: of each source, for n requests.
        histories: of these requests.
        relevant: (n, m) which of the fused candidates were taken.
        fused: the candidates, from ``reciprocal_rank``.
        rounds: trees.
        seed: of LightGBM.

    Returns:
        The model as text.

    Raises:
        ExtraError: the extra ``blend`` is not installed.
        DataError: no request has a candidate that was taken beside one that was not.
    """
    lightgbm = blend("learned fusion")
    held = fused.rankings.items >= 0
    taken = relevant & held
    telling = taken.any(axis=1) & (held & ~taken).any(axis=1)
    if not telling.any():
        raise DataError(
            "nothing can be learned for fusion: no candidate of any validation user was taken",
            advice='use fusion = "reciprocal-rank", or more events',
        )
    held, taken = held[telling], taken[telling]
    table = features([Rankings(r.items[telling], r.scores[telling]) for r in rankings],
                     Fused(Rankings(fused.rankings.items[telling], fused.rankings.scores[telling]),
                           fused.sources[telling]), histories.take(np.flatnonzero(telling)))  # fmt: skip
    data = lightgbm.Dataset(table[held], label=taken[held].astype(np.float32), group=held.sum(axis=1))
    model = lightgbm.train({**SETTINGS, "seed": seed}, data, num_boost_round=rounds)
    return str(model.model_to_string())


def blend(what: str) -> Any:
    """LightGBM, loaded on first use.

    Raises:
        ExtraError: the extra ``blend`` is not installed.
    """
    if not find_spec("lightgbm"):
        raise ExtraError.of(what, "blend")
    import lightgbm

    return lightgbm
