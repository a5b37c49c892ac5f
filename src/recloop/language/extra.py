"""The optional packages behind the extra ``text``, loaded on first use."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from recloop.errors import ExtraError

NEEDED = ("openvino", "tokenizers", "safetensors")


def require_text_extra(what: str) -> None:
    """Raise early, before any file is read.

    Raises:
        ExtraError: a package of the extra ``text`` is missing.
    """
    if not all(find_spec(name) for name in NEEDED):
        raise ExtraError.of(what, "text")


def load_openvino() -> Any:
    """OpenVINO, without the message that it sends to its makers when it is imported.

    ``import openvino`` posts an event to an analytics server unless ``openvino_telemetry`` is absent, in which case it
    falls back to a stub of its own. So that is what it finds.
    """
    if "openvino" not in sys.modules and "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            return import_module("openvino")
        finally:
            del sys.modules["openvino_telemetry"]
    return import_module("openvino")
