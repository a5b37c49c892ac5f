"""The optional packages behind the extra ``lm``."""

from importlib.util import find_spec

from recloop.errors import ExtraError

TRAINING = ("torch", "lightning", "onnx", "onnxscript", "peft")


def require_lm(what: str) -> None:
    """Raise early, before any data is read.

    Raises:
        ExtraError: a package that training needs is missing.

    >>> require_lm("training 'sequence'")
    """
    if not all(find_spec(name) for name in TRAINING):
        raise ExtraError.of(what, "lm")


def require_runtime(what: str) -> None:
    """Raise early, before a graph is loaded.

    Raises:
        ExtraError: ONNX Runtime is missing.

    >>> require_runtime("serving 'sequence'")
    """
    if not find_spec("onnxruntime"):
        raise ExtraError.of(what, "text")
