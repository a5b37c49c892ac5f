import json
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.neural.extra import require_lm
from recloop.neural.recipe import Recipe
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.interactions import strongest
from recloop.strategies.prior import answer_empty, share
from recloop.strategies.two_tower.blocks import Block, item_blocks
from recloop.strategies.two_tower.start import SMOOTHING, Start, begin, loudness, meet
from recloop.strategies.two_tower.towers import Towers

if TYPE_CHECKING:
    from recloop.strategies.two_tower.learn import Plan

VIEW = 256  # numbers of each view that a network reads


class TwoTower(Strategy):
    """A tower that reads histories and a tower that reads items meet in one space; new items are read like any other.

    The item tower reads texts (by a frozen encoder), attributes and extra vectors of the catalogue (images, sounds).
    Both towers begin at their linear optimum (``recloop.strategies.two_tower.start.begin``): a kernel regression from
    features to the vectors that behaviour gives, chosen by left-out items. With ``epochs = 0`` that is all, and torch
    is not needed. Else networks that begin as zero are added to both, trained by sampled softmax with logQ correction
    (``recloop.strategies.two_tower.learn``), and kept where they rank held-out items and events better.

    An item that somebody touched has, with ``ids``, a vector of its own, too: the more users, the more it counts.

    >>> from recloop.strategies.two_tower.strategy import TwoTower
    >>> TwoTower(factors=32).factors
    32
    """

    name: ClassVar[str] = "two-tower"
    summary: ClassVar[str] = "histories and items in one space, learned; ranks new items by text, attributes and images"
    by_default: ClassVar[bool] = False

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
    start: str = setting(
        "linear",
        "where training begins: at the linear optimum, or anywhere",
        choices=("linear", "random"),
    )
    scorer: str = setting(
        "dot",
        "how both towers meet: product; products of first and second layer, weighed; product and a hidden layer",
        choices=("dot", "layers", "mlp"),
    )
    epochs: int = setting(0, "passes over the users, at most; 0: the linear optimum, without torch", low=0, high=10_000)
    width: int = setting(128, "length of hidden layers", low=1, high=8192, search=(32, 512, "log"))
    dropout: float = setting(0.3, "share of hidden values dropped in training", low=0, high=0.9, search=(0.0, 0.6))
    id_dropout: float = setting(
        0.5, "share of items told by their features alone in a step, as new ones are", low=0, high=1, search=(0.0, 1.0)
    )
    candidates: int = setting(4096, "items among which a step tells targets apart; all where there are no more", low=2)
    batch: int = setting(256, "histories in a step", low=1, high=1_000_000)
    learning_rate: float = setting(
        1e-3, "of the networks, at its highest", low=1e-8, high=1, search=(1e-4, 1e-2, "log")
    )
    weight_decay: float = setting(0.01, "how strongly matrices are drawn to zero", low=0, high=10)
    patience: int | None = setting(3, "epochs in which left-out items may rank no better; null: any", low=1)
    seed: int = setting(0, "draws samples, first weights and shuffles", low=0, high=2**31 - 1)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        if self.epochs:
            require_lm("training the strategy 'two-tower'")
        blocks = item_blocks(dataset, self.encoder, whitening=self.whitening, progress=progress)
        histories = dataset.histories()
        rng = np.random.default_rng(np.random.SeedSequence(self.seed).spawn(1)[0])
        plan = None
        if self.epochs:
            from recloop.strategies.two_tower.learn import Plan

            plan = Plan.of(histories, rng, ids=self.ids, features=bool(blocks))
            histories = plan.histories
        start = begin(
            strongest(histories), blocks, dataset.n_items, self.factors, self.damping, rng=rng, progress=progress
        )
        events, items, level = meet(start, self.damping, ids=self.ids)
        self._prior = share(np.maximum(np.exp(level) - SMOOTHING, 0))
        self._blocks = np.array([block.name for block in blocks], np.str_)
        shares = start.scales * [block.variance for block in blocks]
        shares = shares / max(shares.sum(), 1e-30)
        self._gates = shares[None].astype(np.float32)
        if plan is not None:
            towers = self._train(dataset, plan, blocks, start, rng, progress)
        else:
            towers = Towers.plain(events, items, np.zeros(len(items), np.float32), self.half_life)
        self._towers = towers.rounded()

    def _train(
        self,
        dataset: Dataset,
        plan: "Plan",
        blocks: list[Block],
        start: Start,
        rng: np.random.Generator,
        progress: Progress,
    ) -> Towers:
        import torch

        from recloop.strategies.two_tower.learn import learn
        from recloop.strategies.two_tower.network import Network, Views

        known = start.users > 0
        events, items, _ = meet(start, self.damping, ids=False)
        with_ids = meet(start, self.damping, ids=True)
        linear = self.start == "linear"
        a, b = loudness(with_ids[0], with_ids[1], plan.histories, known, self.half_life)
        own = [a * (with_ids[0] - events), b * (with_ids[1] - items)]
        views = None
        if blocks:
            shares = self._gates[0].astype(np.float64)
            present = np.stack([block.present for block in blocks], axis=1)
            views = Views([block.narrow(VIEW, rng) for block in blocks], present, shares)
        if not linear:
            events, items = np.zeros_like(events), np.zeros_like(items)
            own = [known[:, None] * rng.normal(0, 0.1, events.shape) for _ in own]
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**31)))
            network = Network(
                views,
                a * events,
                b * items,
                *(part.astype(np.float32) for part in own),
                width=self.width,
                dropout=self.dropout,
                scorer=self.scorer,
                linear=linear,
            )
        recipe = Recipe(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            precision="f32",
            patience=self.patience,
            seed=self.seed,
        )
        towers, kept = learn(
            network,
            plan,
            known & self.ids,
            recipe,
            id_dropout=self.id_dropout,
            candidates=self.candidates,
            half_life=self.half_life,
            key=json.dumps([self.name, self.config(), dataset.fingerprint]),
            progress=progress,
        )
        if blocks and kept:
            self._gates = network.gates()
        return towers

    def views(self) -> dict[str, float]:
        """How far each view of the items is listened to, on average over them: text, columns, vectors.

        Raises:
            ConflictError: the strategy is not fitted.
        """
        self._fitted()
        return {str(name): float(part) for name, part in zip(self._blocks, self._gates.mean(axis=0), strict=True)}

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return answer_empty(self._towers.score(histories), histories, self._prior)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        kept = {"prior": self._prior, "view_names": self._blocks, "view_gates": self._gates}
        return {**self._towers.arrays(), **kept}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._prior, self._blocks, self._gates = (arrays[name] for name in ("prior", "view_names", "view_gates"))
        self._towers = Towers.restore(arrays, self.half_life, layers=self.scorer == "layers" and self.epochs > 0)
