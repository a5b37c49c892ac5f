"""Click, conversion and rating from one network of gated experts, trained with torch and served without it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from recloop.compose.objectives.lesson import Lesson
from recloop.neural.extra import require_lm

if TYPE_CHECKING:
    import torch

EXPERTS, WIDTH = 4, 32
TASKS = ("click", "conversion", "satisfaction")
FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class Experts:
    """Experts that all tasks share, and for each task a gate that says how much of which expert it takes.

    Ma et al. 2018, "Modeling task relationships in multi-task learning with multi-gate mixture-of-experts", KDD. The
    losses are the cross-entropies of clicks and of conversions over the entire space, P(click) P(convert | click), as
    in Ma et al. 2018, "Entire space multi-task model", and the squared error of ratings where there is one.

    Attributes:
        tasks: what is foretold.
        arrays: the weights: ``mean, spread`` (f,) of the features; ``experts`` (f', e, h) with ``experts_bias``;
            ``gates`` (f', t, e) with ``gates_bias``; ``towers`` (t, h) with ``towers_bias``; ``stars`` (centre,
            spread). f' is features and, for each, whether it is unknown.
    """

    tasks: tuple[str, ...]
    arrays: dict[str, NDArray[np.float32]]

    @classmethod
    def learn(cls, lesson: Lesson, held: Lesson, seed: int) -> Self:
        """Learned from a lesson; the epoch that is best on another one is kept.

        Raises:
            ExtraError: torch is not installed.
        """
        require_lm("the objectives' model 'experts'")
        import torch
        from torch.nn import functional as F

        from recloop.neural.recipe import Recipe
        from recloop.neural.train import train

        tasks = tuple(
            task
            for task, there in zip(TASKS, (True, lesson.convert is not None, lesson.rated() is not None), strict=True)
            if there
        )
        mean = np.nan_to_num(_of_columns(np.nanmean, lesson.x))
        spread = np.nan_to_num(_of_columns(np.nanstd, lesson.x))
        spread = np.where(spread > 0, spread, 1.0)
        scale: dict[str, NDArray[np.float32]] = {
            "mean": mean.astype(np.float32),
            "spread": spread.astype(np.float32),
            "stars": _stars(lesson),
        }
        with torch.random.fork_rng():
            torch.manual_seed(seed % 2**31)
            network = _network(2 * lesson.x.shape[1], len(tasks))
        given, other = _tensors(lesson, scale), _tensors(held, scale)
        batch = min(2048, max(128, len(lesson.x) // 50))  # few rows still make a thousand steps
        recipe = Recipe(epochs=20, batch=batch, learning_rate=3e-3, weight_decay=1e-3, precision="f32", patience=3,
                        seed=seed % 2**31)  # fmt: skip
        steps = max(1, len(lesson.x) // recipe.batch)

        def batches(_epoch: int, rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
            for rows in np.array_split(rng.permutation(len(lesson.x)), steps):
                chosen = torch.from_numpy(rows)
                yield tuple(tensor[chosen] for tensor in given)

        def loss(batch: tuple[Any, ...]) -> "torch.Tensor":
            x, click, convert, stars, weight = batch
            told = network(x)
            total = F.binary_cross_entropy_with_logits(told[:, 0], click, weight=weight)
            if "conversion" in tasks:
                both = torch.sigmoid(told[:, 0]) * torch.sigmoid(told[:, tasks.index("conversion")])
                total = total + F.binary_cross_entropy(both.clamp(FLOOR, 1 - FLOOR), convert, weight=weight)
            if "satisfaction" in tasks:
                known = ~torch.isnan(stars)
                error = torch.where(known, told[:, tasks.index("satisfaction")] - torch.nan_to_num(stars), 0.0)
                # ratings are rare among candidates: the mean is over those there are
                total = total + 0.1 * (error**2).sum() / known.sum().clamp(min=1)
            return total

        def judge() -> float:
            with torch.no_grad():
                return -float(loss(tuple(tensor.to(next(network.parameters()).device) for tensor in other)))

        train(network, loss, batches, recipe, steps=steps, validate=judge, description="Objectives")
        weights = {name: value.detach().numpy().copy() for name, value in network.named_parameters()}
        return cls(tasks, scale | weights)

    def raw(self, x: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Task → (r,): P(click), P(click) P(convert | click), stars; not yet calibrated."""
        w = self.arrays
        z = _standard(x, w)
        hidden = np.maximum(np.einsum("rf,feh->reh", z, w["experts"], optimize=True) + w["experts_bias"], 0.0)
        gates = softmax(np.einsum("rf,fte->rte", z, w["gates"], optimize=True) + w["gates_bias"], axis=2)
        mixed = np.einsum("rte,reh->rth", gates, hidden, optimize=True)
        told = (mixed * w["towers"]).sum(axis=2).astype(np.float64) + w["towers_bias"]
        found = {"click": expit(told[:, 0])}
        if "conversion" in self.tasks:
            found["conversion"] = found["click"] * expit(told[:, self.tasks.index("conversion")])
        if "satisfaction" in self.tasks:
            centre, spread = w["stars"]
            found["satisfaction"] = told[:, self.tasks.index("satisfaction")] * float(spread) + float(centre)
        return found

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"tasks": list(self.tasks), "arrays": {name: value.tolist() for name, value in self.arrays.items()}}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """What ``to_dict`` gave."""
        return cls(tuple(plain["tasks"]), {k: np.array(v, np.float32) for k, v in plain["arrays"].items()})


def _network(wide: int, tasks: int) -> Any:
    import torch

    class Gated(torch.nn.Module):
        """See ``Experts``."""

        def __init__(self) -> None:
            super().__init__()
            self.experts = torch.nn.Parameter(torch.randn(wide, EXPERTS, WIDTH) * (2 / wide) ** 0.5)
            self.experts_bias = torch.nn.Parameter(torch.zeros(EXPERTS, WIDTH))
            self.gates = torch.nn.Parameter(torch.zeros(wide, tasks, EXPERTS))
            self.gates_bias = torch.nn.Parameter(torch.zeros(tasks, EXPERTS))
            self.towers = torch.nn.Parameter(torch.randn(tasks, WIDTH) / WIDTH**0.5)
            self.towers_bias = torch.nn.Parameter(torch.zeros(tasks))

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            """(r, f') → (r, t) logits."""
            hidden = torch.relu(torch.einsum("rf,feh->reh", x, self.experts) + self.experts_bias)
            gates = torch.softmax(torch.einsum("rf,fte->rte", x, self.gates) + self.gates_bias, dim=2)
            mixed = torch.einsum("rte,reh->rth", gates, hidden)
            found: torch.Tensor = (mixed * self.towers).sum(dim=2) + self.towers_bias
            return found

    return Gated()


def _of_columns(summary: Any, x: NDArray[np.float32]) -> NDArray[np.float64]:
    known = np.isfinite(x).any(axis=0)
    found = np.full(x.shape[1], np.nan)
    found[known] = summary(x[:, known].astype(np.float64), axis=0)
    return found


def _standard(x: NDArray[np.float32], scale: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    known = np.isfinite(x)
    z = np.where(known, np.clip((x - scale["mean"]) / scale["spread"], -5, 5), 0.0)
    return np.concatenate([z, ~known], axis=1).astype(np.float32)


def _stars(lesson: Lesson) -> NDArray[np.float32]:
    rated = lesson.rated()
    if rated is None:
        return np.array([0.0, 1.0], np.float32)
    return np.array([rated[1].mean(), max(rated[1].std(), 1e-6)], np.float32)


def _tensors(lesson: Lesson, scale: dict[str, NDArray[np.float32]]) -> tuple[Any, ...]:
    import torch

    none = np.full(len(lesson.x), np.nan)
    stars = ((none if lesson.rating is None else lesson.rating) - scale["stars"][0]) / scale["stars"][1]
    convert = np.zeros(len(lesson.x)) if lesson.convert is None else lesson.convert
    columns = (_standard(lesson.x, scale), lesson.click, convert, stars, lesson.weight)
    return tuple(torch.from_numpy(np.ascontiguousarray(column, np.float32)) for column in columns)
