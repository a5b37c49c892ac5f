from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import setting
from recloop.strategies.interactions import strongest
from recloop.strategies.neighbours import NeighbourStrategy
from recloop.strategies.prior import popularity
from recloop.strategies.rating_model import RatingModel
from recloop.strategies.similarity import nearest_items


class ItemKNN(NeighbourStrategy):
    """Items that the same people took: each item of the history brings its nearest neighbours.

    Similarity of items i and j is x_i . x_j / (|x_i| |x_j| + shrinkage), where x_i is the column of user weights;
    each item keeps its ``neighbours`` most similar (Deshpande & Karypis 2004, "Item-based top-N recommendation
    algorithms", section 4). A history scores the sum of the rows of its items, by weight.

    Where the log has ratings, ``predict`` foretells them, too: see ``RatingModel``.

    >>> from recloop.strategies.item_knn import ItemKNN
    >>> ItemKNN(neighbours=50).neighbours
    50
    """

    name: ClassVar[str] = "item-knn"
    summary: ClassVar[str] = "items that the same people took: cosine neighbours"

    neighbours: int = setting(
        20, "how many most similar items each item keeps", low=1, high=10_000, search=(5, 500, "log")
    )
    shrinkage: float = setting(
        10.0,
        "added to the denominator: distrusts similarities of few users",
        low=0,
        high=1e9,
        search=(0.1, 1000.0, "log"),
    )
    rating_neighbours: int = setting(
        200, "how many most similar items each item keeps to foretell ratings", low=0, high=10_000
    )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        with progress.task("item-knn", total=dataset.n_items) as advance:
            users = strongest(dataset.histories())
            table = nearest_items(users, self.neighbours, self.shrinkage, advance)
        self._keep(table, popularity(dataset))
        with progress.task("item-knn, ratings", total=dataset.n_items) as advance:
            self._ratings = RatingModel.of(dataset, self.rating_neighbours, self.shrinkage, advance)

    def _voices(self, histories: Histories) -> sparse.csr_array:
        return strongest(histories)

    def predict(self, histories: Histories, items: NDArray[np.integer]) -> NDArray[np.float64]:
        """The ratings that users would give, from the ratings in their histories; see ``RatingModel``.

        Args:
            histories: n histories.
            items: (n, m) item indices, padded with -1.

        Returns:
            (n, m) float64; NaN where the item is -1, and everywhere where no rating was ever learned from.

        Raises:
            SettingError: the histories are of another catalogue, or the items are not n rows.
            ConflictError: the strategy is not fitted.
        """
        histories = self._asked(histories, items)
        if self._ratings is None:
            return np.full(items.shape, np.nan)
        return self._ratings.predict(histories, items)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return super()._arrays() | (self._ratings.arrays() if self._ratings else {})

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(arrays)
        self._ratings = RatingModel.restore(arrays)
