import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recloop.errors import ExtraError, SettingError, nearest

KNOWN = ("auto", "none", "tensorboard", "mlflow", "wandb")
PACKAGES = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb"}


def logger_for(description: str, folder: Path | None) -> Any:
    """Where the curves of a training go, by the variable ``RECLOOP_LOGGER``.

    ``auto`` (the default) writes TensorBoard files beside the checkpoint where TensorBoard is installed and the
    training has a folder; ``none`` writes nothing; ``tensorboard``, ``mlflow`` and ``wandb`` write there or say what is
    missing. Where MLflow and Weights & Biases send to is said by their own variables (``MLFLOW_TRACKING_URI``,
    ``WANDB_MODE`` ...); MLflow without one writes ``mlflow.db``. ``RECLOOP_LOGS`` is the folder of files.

    Raises:
        SettingError: the variable names no logger.
        ExtraError: the logger's package is not installed.

    >>> logger_for("sequence", None)
    False
    """
    wanted = os.environ.get("RECLOOP_LOGGER", "auto")
    if wanted not in KNOWN:
        raise SettingError(f"RECLOOP_LOGGER is '{wanted}'", allowed=nearest(wanted, KNOWN))
    place = os.environ.get("RECLOOP_LOGS") or folder
    if wanted == "none" or (wanted == "auto" and (place is None or not find_spec("tensorboard"))):
        return False
    wanted = "tensorboard" if wanted == "auto" else wanted
    if not find_spec(PACKAGES[wanted]):
        raise ExtraError.of(f"RECLOOP_LOGGER={wanted}", wanted)
    from lightning.pytorch import loggers

    if wanted == "tensorboard":
        return loggers.TensorBoardLogger(save_dir=str(place or "."), name=description, version="")
    if wanted == "mlflow":
        # Its own default, a folder of files, is refused by MLflow 3
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(place or '.').absolute() / 'mlflow.db'}"
        return loggers.MLFlowLogger(experiment_name="recloop", run_name=description, tracking_uri=uri)
    return loggers.WandbLogger(project="recloop", name=description, save_dir=str(place or "."))


def close(logger: Any) -> None:
    """End the run of a logger that would lend it to the next training of this process (Weights & Biases does)."""
    finish = getattr(getattr(logger, "experiment", None), "finish", None)
    if finish is not None:
        finish()
