import json
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from safetensors.torch import load_file, save_file

from recloop.errors import ArtifactError

TENSOR, PAIRS, TUPLE = "tensor:", "pairs:", "tuple:"


class PlainCheckpoint(CheckpointIO):
    """Lightning's checkpoints as a folder of ``tensors.safetensors`` and ``state.json``: nothing is pickled.

    A checkpoint appears whole or not at all: it is written beside the last one, flushed, and renamed.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a checkpoint."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, torch.Tensor] = {}
        state = _plain(checkpoint, tensors)
        name = f"tensors-{checkpoint['global_step']}.safetensors"
        _write(folder / name, lambda file: save_file(tensors, file))
        text = json.dumps({"tensors": name, "state": state})
        _write(folder / "state.json", lambda file: file.write_text(text))
        for old in folder.glob("tensors-*.safetensors"):
            if old.name != name:
                old.unlink(missing_ok=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> dict[str, Any]:  # noqa: ARG002
        """Read a checkpoint.

        Raises:
            ArtifactError: it is damaged.
        """
        folder = Path(path)
        try:
            document = json.loads((folder / "state.json").read_text())
            tensors = load_file(folder / document["tensors"])
            found: dict[str, Any] = _rich(document["state"], tensors)
        except Exception as error:  # safetensors has an error of its own, without a public base
            raise ArtifactError(
                f"the checkpoint {folder} cannot be read ({type(error).__name__})",
                advice="delete the folder; training then starts anew",
            ) from error
        return found

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        folder = Path(path)
        for file in (folder / "state.json", *folder.glob("tensors-*.safetensors")):
            file.unlink(missing_ok=True)
        if folder.is_dir():
            folder.rmdir()


def _write(path: Path, write: Any) -> None:
    beside = path.with_name(f".{path.name}")
    write(beside)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)


def _plain(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The value with tensors taken out, as JSON can say it."""
    if isinstance(value, torch.Tensor):
        name = f"{len(tensors)}"
        tensors[name] = value.detach().cpu().clone().contiguous()
        return TENSOR + name
    if isinstance(value, dict):
        return {PAIRS: [[_plain(key, tensors), _plain(entry, tensors)] for key, entry in value.items()]}
    if isinstance(value, tuple):
        return {TUPLE: [_plain(entry, tensors) for entry in value]}
    if isinstance(value, list):
        return [_plain(entry, tensors) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _rich(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, str) and value.startswith(TENSOR):
        return tensors[value.removeprefix(TENSOR)]
    if isinstance(value, dict) and PAIRS in value:
        return {_rich(key, tensors): _rich(entry, tensors) for key, entry in value[PAIRS]}
    if isinstance(value, dict):
        return tuple(_rich(entry, tensors) for entry in value[TUPLE])
    if isinstance(value, list):
        return [_rich(entry, tensors) for entry in value]
    return value
