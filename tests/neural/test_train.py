"""Training goes on after a kill to the same weights, stops at nonsense, and leaves nothing of its own behind."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra lm")
pytest.importorskip("lightning", reason="needs the extra lm")

from recloop.errors import ArtifactError, DataError, SettingError  # noqa: E402
from recloop.neural.recipe import Recipe  # noqa: E402
from recloop.neural.train import History, train, training_folder  # noqa: E402
from recloop.progress import SILENT, Progress, Silent  # noqa: E402

RECIPE = Recipe(epochs=4, batch=8, learning_rate=0.05, precision="f32", seed=3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path))
    monkeypatch.setenv("RECLOOP_LOGGER", "none")
    return tmp_path


def data() -> tuple["torch.Tensor", "torch.Tensor"]:
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(32, 3)), dtype=torch.float32)
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]])


def fit(
    recipe: Recipe = RECIPE,
    *,
    key: str | None = None,
    die_in: int | None = None,
    error: Callable[[], BaseException] = lambda: RuntimeError("killed"),
    nan_in: int | None = None,
    validate: Callable[[], float] | None = None,
    progress: Progress = SILENT,
) -> tuple["torch.nn.Module", History]:
    x, y = data()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))

    def batches(epoch: int, rng: np.random.Generator) -> Iterator[tuple["torch.Tensor", "torch.Tensor", int]]:
        order = torch.from_numpy(rng.permutation(32))
        for start in range(0, 32, 8):
            rows = order[start : start + 8]
            yield x[rows], y[rows], epoch

    def loss(batch: tuple["torch.Tensor", "torch.Tensor", int]) -> "torch.Tensor":
        if batch[2] == die_in:
            raise error()
        value = ((network(batch[0]) - batch[1]) ** 2).mean()
        return value * float("nan") if batch[2] == nan_in else value

    return network, train(network, loss, batches, recipe, steps=4, key=key, validate=validate, progress=progress)


def weights(network: "torch.nn.Module") -> np.ndarray:
    return np.concatenate([value.detach().numpy().ravel() for value in network.state_dict().values()])


def test_the_same_seed_gives_the_same_weights_and_leaves_the_world_as_it_was() -> None:
    torch.manual_seed(7)
    before, handler = torch.rand(3), signal.getsignal(signal.SIGINT)
    torch.manual_seed(7)
    first, history = fit()
    assert torch.equal(torch.rand(3), before)
    assert signal.getsignal(signal.SIGINT) is handler
    np.testing.assert_array_equal(weights(first), weights(fit()[0]))
    assert history.losses[-1] < history.losses[0]
    assert len(history.losses) == 4
    assert history.best == 3
    assert not first.training


@pytest.mark.parametrize("die_in", [1, 3])
def test_a_killed_training_goes_on_to_the_same_weights(die_in: int) -> None:
    whole, history = fit()
    with pytest.raises(RuntimeError, match="killed"):
        fit(key="a", die_in=die_in)
    resumed, again = fit(key="a")
    np.testing.assert_array_equal(weights(resumed), weights(whole))
    assert again.losses == history.losses


def test_ctrl_c_is_ctrl_c_and_can_be_resumed() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(key="b", die_in=2, error=KeyboardInterrupt)
    assert signal.getsignal(signal.SIGINT) is handler
    np.testing.assert_array_equal(weights(fit(key="b")[0]), weights(fit()[0]))


def test_a_finished_training_is_not_done_again() -> None:
    first, _ = fit(key="c")
    again, history = fit(key="c", die_in=0)
    np.testing.assert_array_equal(weights(again), weights(first))
    assert len(history.losses) == 4


def test_a_loss_that_is_not_a_number_keeps_the_last_good_weights() -> None:
    good, _ = fit(Recipe(epochs=2, batch=8, learning_rate=0.05, precision="f32", seed=3, schedule="constant"))
    kept, history = fit(
        Recipe(epochs=4, batch=8, learning_rate=0.05, precision="f32", seed=3, schedule="constant", warmup=0.05),
        nan_in=2,
    )
    assert history.stopped == "the loss became nan in epoch 3; the last good weights are kept"
    assert np.isfinite(weights(kept)).all()
    assert len(history.losses) == 2
    assert weights(good).shape == weights(kept).shape


def test_a_loss_that_never_was_a_number_is_an_error() -> None:
    with pytest.raises(DataError, match="the loss became nan in the first epoch; lower learning_rate"):
        fit(nan_in=0)


def test_the_best_validation_is_kept_and_patience_ends_training() -> None:
    values = iter([0.1, 0.5, 0.4, 0.3, 0.2])
    _, history = fit(
        Recipe(epochs=5, batch=8, learning_rate=0.05, precision="f32", patience=2), validate=lambda: next(values)
    )
    assert history.validations == [0.1, 0.5, 0.4, 0.3]
    assert history.best == 1
    assert history.stopped == "no better validation in 2 epochs; the weights of epoch 2 stay"


def test_too_large_a_batch_is_told_with_the_way_out() -> None:
    def hungry() -> BaseException:
        return RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")

    with pytest.raises(SettingError, match=r"a batch of 8 does not fit into memory; set batch = 4; where acc.*= 2"):
        fit(die_in=0, error=hungry)


def test_a_damaged_checkpoint_is_told() -> None:
    with pytest.raises(RuntimeError, match="killed"):
        fit(key="d", die_in=2)
    last = training_folder("d") / "last"
    tensors = next(last.glob("tensors-*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:100])
    with pytest.raises(ArtifactError, match=r"cannot be read .* delete the folder; training then starts anew"):
        fit(key="d")


def test_gradients_add_up() -> None:
    network, history = fit(Recipe(epochs=3, batch=8, accumulate=4, learning_rate=0.05, precision="f32"))
    assert len(history.losses) == 3
    assert np.isfinite(weights(network)).all()


def test_curves_go_to_tensorboard(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="needs TensorBoard")
    monkeypatch.setenv("RECLOOP_LOGGER", "auto")
    monkeypatch.setenv("RECLOOP_LOGS", str(cache / "logs"))
    fit(key="e", validate=lambda: 0.5)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(cache / "logs" / "train"))
    events.Reload()
    assert {"loss", "validation"} <= set(events.Tags()["scalars"])
    assert len(events.Scalars("validation")) == 4


class Rounds(Silent):
    """A watcher that is told of each round, and ends the training after some."""

    def __init__(self, most: int) -> None:
        self.most, self.values = most, []

    def validated(self, value: float) -> None:
        self.values.append(value)
        if len(self.values) == self.most:
            raise TimeoutError("enough")


def test_a_watcher_is_told_of_each_round_and_may_end_the_training() -> None:
    values = iter([0.1, 0.3, 0.2, 0.4, 0.5])
    told = Rounds(most=9)
    fit(validate=lambda: next(values), progress=told)
    assert told.values == [0.1, 0.3, 0.2, 0.4]

    handler = signal.getsignal(signal.SIGINT)
    values = iter([0.1, 0.3, 0.2, 0.4, 0.5])
    stopped = Rounds(most=2)
    with pytest.raises(TimeoutError, match="enough"):
        fit(validate=lambda: next(values), progress=stopped, key="watched")
    assert stopped.values == [0.1, 0.3]
    assert signal.getsignal(signal.SIGINT) is handler

    resumed = Rounds(most=9)
    fit(validate=lambda: next(values), progress=resumed, key="watched")
    assert resumed.values == [0.1, 0.3, 0.2, 0.4], "the rounds before it was ended are told again"
