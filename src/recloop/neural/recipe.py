from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from recloop.errors import SettingError, nearest

CHOICES = {
    "optimizer": ("adamw", "sgd"),
    "schedule": ("constant", "linear", "cosine"),
    "precision": ("auto", "f32", "bf16"),
}
LOW = {"epochs": 1, "batch": 1, "accumulate": 1, "weight_decay": 0, "warmup": 0, "seed": 0}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: passes over the data, at most.
        batch: examples per step.
        learning_rate: the highest one, reached after the warm-up.
        optimizer: ``adamw`` (Loshchilov & Hutter 2019, "Decoupled weight decay regularization") or ``sgd`` with
            momentum .9.
        weight_decay: of matrices; vectors (biases, norms) have none.
        warmup: share of all steps in which the learning rate rises from 0, in [0, 1).
        schedule: what it does afterwards: stays, or falls to 0 in a line or half a cosine.
        accumulate: batches whose gradients are added up before a step: a larger batch in less memory.
        precision: ``bf16`` multiplies matrices in bfloat16 (weights stay float32); ``auto`` does so where processor or
            GPU has units for it.
        clip: longest gradient, None for any.
        patience: epochs without a better validation after which training ends, None for never.
        seed: of shuffling and dropout; the network's own start is the caller's.

    >>> Recipe(epochs=3, batch=32).learning_rate
    0.001
    >>> Recipe(schedule="cosin")
    Traceback (most recent call last):
    recloop.errors.SettingError: schedule is 'cosin'. Did you mean 'cosine'? Valid: constant, cosine, linear.
    """

    epochs: int = 10
    batch: int = 64
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: str = "cosine"
    accumulate: int = 1
    precision: str = "auto"
    clip: float | None = 1.0
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise SettingError(f"{name} is {getattr(self, name)!r}", allowed=nearest(getattr(self, name), allowed))
        for name, low in LOW.items():
            if not getattr(self, name) >= low:
                raise SettingError(f"{name} is {getattr(self, name)!r}", allowed=f"it must be at least {low}")
        if not 0 < self.learning_rate < float("inf"):
            raise SettingError(f"learning_rate is {self.learning_rate!r}", allowed="it must be above 0")
        if self.warmup >= 1:
            raise SettingError(f"warmup is {self.warmup!r}", allowed="it is a share of the steps, below 1")
        if self.clip is not None and not self.clip > 0:
            raise SettingError(f"clip is {self.clip!r}", allowed="it must be above 0, or null")
        if self.patience is not None and self.patience < 1:
            raise SettingError(f"patience is {self.patience!r}", allowed="it must be at least 1, or null")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Recipe":
        """The recipe of a table of settings.

        Raises:
            SettingError: a name or a value is not allowed.

        >>> Recipe.of({"epochs": 2}).epochs
        2
        """
        known = [entry.name for entry in fields(cls)]
        for name in settings:
            if name not in known:
                raise SettingError(f"a recipe has no setting '{name}'", allowed=nearest(name, known))
        return cls(**settings)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step as a share of the highest, of ``steps`` in all.

        >>> [round(Recipe(warmup=0.5, schedule="linear").rate(step, 4), 2) for step in range(4)]
        [0.5, 1.0, 1.0, 0.5]
        """
        from math import cos, pi

        warm = int(self.warmup * steps)
        if step < warm:
            return (step + 1) / warm
        if self.schedule == "constant":
            return 1.0
        left = 1 - (step - warm) / max(1, steps - warm)
        return left if self.schedule == "linear" else (1 - cos(pi * left)) / 2
