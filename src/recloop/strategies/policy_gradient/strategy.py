from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.neural.extra import require_lm
from recloop.neural.recipe import Recipe
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.logged import steps_of
from recloop.strategies.policy_gradient.recurrent import hidden


class PolicyGradient(Strategy):
    """A policy over sequences that is trained on what others' slates earned in the long run.

    Top-K off-policy corrected REINFORCE (Chen, Beutel, Covington, Jain, Belletti & Chi 2019, "Top-K off-policy
    correction for a REINFORCE recommender system"): a recurrent state of the history, a softmax over items, and a
    second head that learns which items the logged policy led to. Each click moves the policy by what followed it, less
    the mean, times how much likelier the new policy takes it (capped), times K (1 - pi)^(K-1), because an item needs
    only be among K. It learns from clicks; what was shown and not taken counts through the returns.

    Serving needs NumPy alone.

    >>> from recloop.strategies.policy_gradient.strategy import PolicyGradient
    >>> PolicyGradient(width=16).width
    16
    """

    name: ClassVar[str] = "policy-gradient"
    summary: ClassVar[str] = "a recurrent policy trained on logged slates, off-policy corrected, for the long term"
    by_default: ClassVar[bool] = False

    discount: float = setting(0.97, "what the next slate counts of this one; 0: myopic", low=0.0, high=1.0)
    width: int = setting(32, "length of item vectors and of the state", low=2, high=2048, search=[16, 32, 64])
    window: int = setting(30, "how many of the last events are read", low=1, high=500)
    places: int | None = setting(None, "K of the top-K correction; null: the slates' length", low=1, high=200)
    cap: float = setting(10.0, "the greatest importance weight", low=1.0, high=1e6)
    entropy: float = setting(0.01, "what a spread-out policy is worth", low=0.0, high=10.0)
    away: float = setting(7.0, "days without a slate, to the end of the log, that mean a user has left", low=0.0)
    epochs: int = setting(10, "passes over the clicks", low=1, high=10_000)
    batch: int = setting(256, "clicks in a training step", low=1, high=1_000_000)
    learning_rate: float = setting(0.003, "the highest one", low=1e-8, high=1.0, search=(1e-4, 1e-2, "log"))
    slates: int = setting(200_000, "slates that are learned from, at most", low=1)
    seed: int = setting(0, "of weights and shuffling", low=0, high=2**31)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        require_lm("training the strategy 'policy-gradient'")
        import torch

        from recloop.neural.train import train
        from recloop.strategies.policy_gradient.network import Agent

        steps = steps_of(dataset, self.name, window=self.window, away=self.away, most=self.slates)
        log = steps.log
        returns = steps.returns(self.discount)
        rows, where = np.nonzero(log.clicks)
        items, lengths = _padded(steps.before.take(rows), self.window)
        taken = log.items[rows, where].astype(np.int64)
        advantage = returns[rows] - (returns[rows].mean() if len(rows) else 0.0)
        spread = float(advantage.std()) if len(rows) else 0.0
        advantage = (advantage / spread if spread > 1e-9 else advantage).astype(np.float32)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            agent = Agent(dataset.n_items, self.width)
        places = self.places or log.k

        def batches(_epoch: int, rng: np.random.Generator) -> Iterator[Any]:
            order = rng.permutation(len(rows))
            for low in range(0, len(order), self.batch):
                part = order[low : low + self.batch]
                yield tuple(torch.from_numpy(column[part]) for column in (items, lengths, taken, advantage))

        if len(rows):
            recipe = Recipe(
                epochs=self.epochs, learning_rate=self.learning_rate, precision="f32", seed=self.seed, weight_decay=0.0
            )
            train(
                agent,
                lambda batch: agent.loss(batch, places=places, cap=self.cap, entropy=self.entropy),
                batches,
                recipe,
                steps=-(-len(rows) // self.batch),
                progress=progress,
                description=self.name,
            )
        state = {name: value.detach().float().cpu().numpy().copy() for name, value in agent.state_dict().items()}
        self._vectors, self._into, self._within = (
            state[name] for name in ("items.weight", "unit.weight_ih_l0", "unit.weight_hh_l0")
        )
        self._bias_in, self._bias_within = state["unit.bias_ih_l0"], state["unit.bias_hh_l0"]
        self._out, self._bias = state["policy.weight"], state["policy.bias"]

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        items, lengths = _padded(histories, self.window)
        state = hidden(self._vectors[items], lengths, self._into, self._within, self._bias_in, self._bias_within)
        return np.asarray(state @ self._out.T + self._bias, np.float32)


def _padded(histories: Histories, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n, longest) the last items of each history from the first place on, and (n,) how many."""
    recent = histories.recent(window)
    lengths = recent.lengths
    inside = np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None]
    items = np.zeros(inside.shape, np.int64)
    items[inside] = recent.items
    return items, lengths
