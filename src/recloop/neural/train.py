"""One loop for every network: Lightning turns it, recloop says what is learned and what happens when it stops."""

import logging
import math
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from recloop.data.cache_folder import cache_folder
from recloop.errors import DataError, SettingError
from recloop.neural.checkpoint import PlainCheckpoint
from recloop.neural.loggers import close, logger_for
from recloop.neural.precision import best_precision
from recloop.neural.recipe import Recipe
from recloop.progress import SILENT, Progress

Batches = Callable[[int, np.random.Generator], Iterable[Any]]
Loss = Callable[[Any], torch.Tensor]


@dataclass
class History:
    """What happened in training.

    Attributes:
        losses: mean training loss of each epoch.
        validations: what ``validate`` gave after each epoch.
        best: epoch, from 0, whose weights the network has.
        stopped: why training ended before its last epoch, or "".
    """

    losses: list[float] = field(default_factory=list)
    validations: list[float] = field(default_factory=list)
    best: int = -1
    stopped: str = ""


def train(
    network: torch.nn.Module,
    loss: Loss,
    batches: Batches,
    recipe: Recipe,
    *,
    steps: int,
    validate: Callable[[], float] | None = None,
    key: str | None = None,
    progress: Progress = SILENT,
    description: str = "train",
) -> History:
    """Train a network in place. It ends in evaluation mode, on the CPU, with the best weights.

    Epoch by epoch, shuffling and dropout depend on the recipe's seed and the number of the epoch alone. So a training
    that was killed goes on from its last whole epoch to the same weights that it would have reached.

    Args:
        network: what is trained. Frozen parameters stay.
        loss: a batch → scalar, by a forward pass through ``network``.
        batches: (epoch, generator) → ``steps`` batches; tensors in them are moved to where the network is.
        recipe: how.
        steps: batches in an epoch.
        validate: higher is better; called after each epoch in evaluation mode. Without it the last weights are kept.
            ``progress.validated`` is told of each value, and may raise to end a hopeless training.
        key: names the training, so that the same one is resumed; whatever changes the result must be in it. None:
            nothing is written.
        progress: shows steps.
        description: what it is called there.

    Raises:
        DataError: the loss is not a number in the first epoch.
        SettingError: a batch does not fit into memory.

    >>> network = torch.nn.Linear(1, 1)
    >>> x = torch.linspace(-1, 1, 32)[:, None]
    >>> def batches(epoch, rng):
    ...     yield x[rng.permutation(32)]
    >>> def loss(x):
    ...     return ((network(x) - 3 * x) ** 2).mean()
    >>> recipe = Recipe(epochs=200, learning_rate=0.1, weight_decay=0, precision="f32")
    >>> round(train(network, loss, batches, recipe, steps=1).losses[-1], 3)
    0.0
    """
    recorder = _Recorder(network, recipe, validate, progress)
    module = _Module(network, loss, recipe, steps)
    folder = None if key is None else training_folder(key)
    last = None if folder is None else folder / "last"
    if last is not None:
        recorder.path = last
    logger = logger_for(description, folder)
    with _quiet(), torch.random.fork_rng(), progress.task(description, total=recipe.epochs * steps) as advance:
        recorder.advance = advance
        try:
            trainer = lightning.Trainer(
                max_epochs=recipe.epochs,
                accelerator="auto",
                devices=1,
                precision=_precision(recipe),
                accumulate_grad_batches=recipe.accumulate,
                callbacks=[recorder],
                plugins=[PlainCheckpoint()],
                logger=logger,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                num_sanity_val_steps=0,
                limit_train_batches=steps,
                default_root_dir=folder,
            )
            resumed = last if last is not None and (last / "state.json").is_file() else None
            if resumed is not None:
                progress.note(f"{description}: goes on from the last whole epoch of an earlier training")
            trainer.fit(
                module, _Epochs(batches, recipe, lambda: recorder.history), ckpt_path=resumed, weights_only=False
            )
        except _Ended:
            pass
        except SystemExit:  # Lightning's way to say Ctrl-C
            raise KeyboardInterrupt from None
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                raise
            raise SettingError(
                f"{description}: a batch of {recipe.batch} does not fit into memory",
                advice=f"set batch = {max(1, recipe.batch // 2)}; where accumulate can be set, too, "
                f"accumulate = {2 * recipe.accumulate} makes it the same step in half the memory",
            ) from error
        finally:
            close(logger)
    recorder.restore()
    network.cpu().eval()
    if recorder.history.stopped:
        progress.note(f"{description}: {recorder.history.stopped}")
    return recorder.history


def training_folder(key: str) -> Path:
    """Where the checkpoint and the logs of a training are."""
    return cache_folder() / "training" / blake2b(key.encode(), digest_size=16).hexdigest()


class _Module(lightning.LightningModule):
    def __init__(self, network: torch.nn.Module, loss: Loss, recipe: Recipe, steps: int) -> None:
        super().__init__()
        self.network = network
        self._loss, self._recipe = loss, recipe
        self._steps = math.ceil(steps / recipe.accumulate) * recipe.epochs

    def training_step(self, batch: Any, _index: int) -> torch.Tensor:
        value = self._loss(batch)
        self.log("loss", value.detach(), on_step=False, on_epoch=True, batch_size=1)
        return value

    def configure_gradient_clipping(self, *_args: Any, **_kwargs: Any) -> None:
        # Lightning refuses to clip for a fused optimizer, because of gradient scaling, which bfloat16 does not need
        if self._recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._recipe.clip)

    def configure_optimizers(self) -> Any:
        recipe = self._recipe
        learned = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        groups = [
            {"params": [entry for entry in learned if entry.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [entry for entry in learned if entry.ndim < 2], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        optimizer: torch.optim.Optimizer
        if recipe.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9)
        else:
            optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_rate, recipe, self._steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}


def _rate(recipe: Recipe, steps: int, step: int) -> float:
    return recipe.rate(step, steps)


class _Epochs:
    """The batches of each epoch, by its own seed, whichever process makes it."""

    def __init__(self, batches: Batches, recipe: Recipe, history: Callable[[], History]) -> None:
        self._batches, self._seed, self._history = batches, recipe.seed, history

    def __iter__(self) -> Iterator[Any]:
        # not Lightning's count of epochs: when it resumes, it asks for batches before it has set that
        epoch = len(self._history().losses)
        shuffling, dropout = np.random.SeedSequence(self._seed, spawn_key=(epoch,)).spawn(2)
        torch.manual_seed(int(dropout.generate_state(1)[0]))
        return iter(self._batches(epoch, np.random.default_rng(shuffling)))


class _Recorder(Callback):
    """Validates, keeps the best weights, notes what happened, and ends what goes wrong."""

    def __init__(
        self, network: torch.nn.Module, recipe: Recipe, validate: Callable[[], float] | None, progress: Progress
    ) -> None:
        self.network, self.recipe, self.validate, self.progress = network, recipe, validate, progress
        self.history = History()
        self.kept: dict[str, torch.Tensor] | None = None
        self.path: Path | None = None
        self.advance: Callable[[float], None] = lambda _amount: None

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: torch.Tensor) -> None:  # noqa: ARG002
        if not torch.isfinite(loss):
            epoch = trainer.current_epoch
            if not self.history.losses:
                raise DataError(
                    f"the loss became {float(loss)} in the first epoch",
                    advice="lower learning_rate, or look for numbers in the data that are far too large",
                )
            self.history.stopped = f"the loss became {float(loss)} in epoch {epoch + 1}; the last good weights are kept"
            raise _Ended

    def on_train_batch_end(self, *_args: Any) -> None:
        self.advance(1)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        history = self.history
        history.losses.append(float(trainer.callback_metrics["loss"]))
        better = True
        if self.validate is not None:
            self.network.eval()
            with torch.no_grad():
                history.validations.append(float(self.validate()))
            self.network.train()
            if trainer.logger is not None:
                trainer.logger.log_metrics({"validation": history.validations[-1]}, step=trainer.global_step)
            better = len(history.validations) == 1 or history.validations[-1] > max(history.validations[:-1])
        if better:
            history.best = trainer.current_epoch
            self.kept = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        patience = self.recipe.patience
        if patience is not None and trainer.current_epoch - history.best >= patience:
            trainer.should_stop = True
            history.stopped = f"no better validation in {patience} epochs; the weights of epoch {history.best + 1} stay"
        if self.path is not None:
            trainer.save_checkpoint(self.path)
        if history.validations:
            self.progress.validated(history.validations[-1])

    def state_dict(self) -> dict[str, Any]:
        return {"history": vars(self.history).copy(), "kept": self.kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = History(**state_dict["history"])
        self.kept = state_dict["kept"]
        self.advance(0)
        for value in self.history.validations:
            self.progress.validated(value)

    def restore(self) -> None:
        if self.kept is not None:
            self.network.load_state_dict(self.kept)


class _Ended(Exception):  # noqa: N818
    """Training ends here, with what was learned."""


def _precision(recipe: Recipe) -> Any:
    if recipe.precision == "auto":
        fast = torch.cuda.is_available() or best_precision() == "bf16"
        return "bf16-mixed" if fast else "32-true"
    return {"f32": "32-true", "bf16": "bf16-mixed"}[recipe.precision]


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advertisements off, and Python's Ctrl-C handler put back: Lightning takes it away for good."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    handler = signal.getsignal(signal.SIGINT)
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if signal.getsignal(signal.SIGINT) is not handler and handler is not None:
            signal.signal(signal.SIGINT, handler)
