from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.interactions import strongest
from recloop.strategies.prior import answer_empty, share
from recloop.strategies.two_tower.blocks import item_blocks
from recloop.strategies.two_tower.start import SMOOTHING, begin, meet
from recloop.strategies.two_tower.towers import Towers


class TwoTower(Strategy):
    """A tower that reads histories and a tower that reads items meet in one space; new items are read like any other.

    The item tower reads texts (by a frozen encoder), attributes and extra vectors of the catalogue (images, sounds).
    The towers begin at their linear optimum (see ``recloop.strategies.two_tower.start.begin``): a kernel regression from
    features to the vectors that behaviour gives, judged by left-out items. With ``epochs = 0`` that is all, and torch is
    not needed. Else networks are added to both towers that begin as zero and are trained by sampled softmax with
    logQ correction (see ``recloop.strategies.two_tower.learn``), and kept where they rank left-out items better.

    An item that somebody touched has, with ``ids``, a vector of its own, too: the more users, the more it counts.

    >>> from recloop.strategies.two_tower.strategy import TwoTower
    >>> TwoTower(factors=32).factors
    32
    """

    name: ClassVar[str] = "two-tower"
    summary: ClassVar[str] = "histories and items in one space, learned; ranks new items by text, attributes and images"

    encoder: str = setting("default", "what turns text into vectors: a hub id, a folder, an installed package")
    whitening: float = setting(
        0.5, "how far the strongest directions of the text vectors are damped", low=0, high=1, search=(0.0, 1.0)
    )
    factors: int = setting(
        64, "length of the vectors in which both towers meet", low=1, high=2048, search=(16, 256, "log")
    )
    damping: float = setting(
        0.25, "how far popular items are made smaller where taste is learned", low=0, high=1, search=(0.0, 0.5)
    )
    ids: bool = setting(
        True, "whether an item that somebody touched has a vector of its own beside what its features say"
    )
    half_life: float | None = setting(
        None, "an event with so many later ones counts half; null: all count alike", low=0.1, high=1e6
    )
    seed: int = setting(0, "draws samples and shuffles", low=0, high=2**31 - 1)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        blocks = item_blocks(dataset, self.encoder, whitening=self.whitening, progress=progress)
        histories = dataset.histories()
        sampling, _ = np.random.SeedSequence(self.seed).spawn(2)
        start = begin(
            strongest(histories),
            blocks,
            dataset.n_items,
            self.factors,
            self.damping,
            rng=np.random.default_rng(sampling),
            progress=progress,
        )
        self._shares = {block.name: float(part) for block, part in zip(blocks, share(start.scales), strict=True)}
        events, items, level = meet(start, self.damping, ids=self.ids)
        self._towers = Towers.plain(events, items, np.zeros(len(items), np.float32), self.half_life).rounded()
        self._prior = share(np.maximum(np.exp(level) - SMOOTHING, 0))

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return answer_empty(self._towers.score(histories), histories, self._prior)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {**self._towers.arrays(), "prior": self._prior}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._prior = arrays["prior"]
        self._towers = Towers.restore(arrays, self.half_life, layers=False)
