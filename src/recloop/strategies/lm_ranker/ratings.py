"""Ratings foretold by neighbours, then mended by what the texts say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.kinds import RATING
from recloop.errors import SettingError
from recloop.neural.graph import Graph
from recloop.strategies.lm_ranker.lists import Lists
from recloop.strategies.rating_model import USER_PRIOR, RatingModel

if TYPE_CHECKING:
    import torch

CONTEXT = 4
NEIGHBOURS, SHRINKAGE = 200, 10.0  # as item-knn
HELD_OUT = 0.2  # share of a user's ratings that the head learns to foretell
MOST_HELD_OUT = 20


@dataclass(eq=False)
class RatingHead:
    """``RatingModel`` plus a network over taste and text.

    The taste of a user is the sum of the vectors of rated items, each by how far its rating departs from what that
    item usually gets and that user usually gives. With p what ``RatingModel`` foretells, the rating is
    ``p + spread x f(taste, item vector, context)``, inside the span of the ratings that were learned from.

    Attributes:
        model: the neighbours.
        graph: f, None where there were too few ratings to learn it.
        scale: (2,) mean and standard deviation of ratings.
    """

    model: RatingModel
    graph: Graph | None
    scale: NDArray[np.float64]

    def predict(
        self, histories: Histories, items: NDArray[np.integer], vectors: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """(n, m) ratings; NaN where the item is -1."""
        plain = self.model.predict(histories, items)
        if self.graph is None or not items.size:
            return plain
        lists = self.lists(self.model, histories, items.astype(np.int32), vectors, plain)
        mended = self.graph.run(users=lists.users, items=vectors[np.maximum(items, 0)], context=lists.context)[0]
        predicted: NDArray[np.float64] = np.clip(plain + self.scale[1] * mended, *self.model.span)
        return predicted

    def lists(
        self,
        model: RatingModel,
        histories: Histories,
        items: NDArray[np.int32],
        vectors: NDArray[np.float32],
        plain: NDArray[np.float64],
    ) -> Lists:
        """What f reads; ``plain`` is what ``model`` foretells."""
        told = ~np.isnan(histories.ratings)
        rows, rated = histories.rows[told], histories.items[told]
        departs = histories.ratings[told] - model.usual_known[rated]
        counts = np.bincount(rows, minlength=len(histories))
        leaning = np.bincount(rows, departs, minlength=len(histories)) / (counts + USER_PRIOR)
        departs = (departs - leaning[rows]) / self.scale[1]
        shape = (len(histories), histories.n_items)
        taste = sparse.csr_array((departs.astype(np.float32), (rows, rated)), shape=shape) @ vectors
        taste = (taste / np.sqrt(counts + USER_PRIOR)[:, None]).astype(np.float32)
        place = np.maximum(items, 0)
        context = np.zeros((*items.shape, CONTEXT), np.float32)
        context[..., 0] = (plain - self.scale[0]) / self.scale[1]
        context[..., 1] = (model.usual[place] - self.scale[0]) / self.scale[1]
        context[..., 2] = np.einsum("nd,nmd->nm", taste, vectors[place])
        context[..., 3] = np.log1p(counts)[:, None] / 4
        context[items < 0] = 0
        return Lists(items, context, taste)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """To be saved."""
        graph = {} if self.graph is None else {"rating_graph": self.graph.array}
        return {**self.model.arrays(), **graph, "rating_scale": self.scale}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]]) -> "RatingHead | None":
        """The inverse of ``arrays``; None where nothing was saved."""
        model = RatingModel.restore(arrays)
        if model is None:
            return None
        graph = Graph.of(arrays["rating_graph"]) if "rating_graph" in arrays else None
        return cls(model, graph, arrays["rating_scale"])


def parted(dataset: Dataset) -> tuple[Dataset, Histories, NDArray[np.int32], NDArray[np.float32]] | None:
    """The log without the last fifth of each user's ratings, the histories of those users, and the items (n, m), padded
    with -1, with the ratings that were taken out; None where no user has two ratings.
    """
    events = dataset.events
    rating = events.select((pl.col("kind") == RATING) & pl.col("value").is_not_null())[:, 0].to_numpy()
    user = events["user"].to_numpy()
    counts = np.bincount(user[rating], minlength=dataset.n_users)
    held = np.where(counts >= 2, np.clip(np.floor(counts * HELD_OUT), 1, MOST_HELD_OUT), 0)
    upto = np.cumsum(rating)
    left = counts[user] - (upto - np.concatenate([[0], np.cumsum(counts)])[user])
    out = rating & (left < held[user])
    if not out.any():
        return None
    past = dataset.with_events(events.filter(~out))
    users, rows = np.unique(user[out], return_inverse=True)
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    items = np.full((len(users), int(place.max()) + 1), -1, np.int32)
    values = np.zeros(items.shape, np.float32)
    items[rows, place] = events["item"].to_numpy()[out]
    values[rows, place] = events["value"].to_numpy()[out]
    return past, past.histories(users), items, values


def objective(
    loss: str, scale: NDArray[np.float64], low: float
) -> Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]:
    """What is minimised: ``"mse"``, or ``"nmsle"``, the mean squared error of log(1 + rating) over the variance of it.

    Args:
        loss: see above.
        scale: mean and standard deviation of ratings; labels are (rating - foretold) / standard deviation.
        low: the lowest rating.

    Raises:
        SettingError: log(1 + rating) is not defined.
    """
    import torch

    if loss == "mse":
        return lambda mended, labels, context: ((mended - labels) ** 2).mean()  # noqa: ARG005
    if low <= -1:
        raise SettingError(
            f"strategy 'lm-ranker': the lowest rating is {low:g}", allowed="nmsle needs ratings above -1", advice="mse"
        )

    def nmsle(mended: torch.Tensor, labels: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        plain = context[..., 0] * scale[1] + scale[0]
        told, came = (torch.log1p((plain + scale[1] * part).clamp_min(low)) for part in (mended, labels))
        return ((told - came) ** 2).mean() / came.var().clamp_min(1e-6)

    return nmsle
