"""Reading comments, where the language model is there."""

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
from numpy.typing import NDArray

from recloop.errors import ExtraError
from recloop.language.extra import require_text_extra
from recloop.language.files import DEFAULT_PACKAGE
from recloop.language.sentiment import Sentiment


def has_language_model() -> bool:
    """Whether the packages of the extra ``text`` and the default weights are installed; nothing is loaded to know."""
    try:
        require_text_extra("the language model")
        distribution(DEFAULT_PACKAGE)
    except (ExtraError, PackageNotFoundError):
        return False
    return True


def comment_reader() -> Callable[[Sequence[str]], NDArray[np.float32]] | None:
    """Texts to numbers in [-1, 1], loaded when first called; None where there is no language model."""
    return _read if has_language_model() else None


def comment_mood() -> Sentiment:
    """What scores comments, loaded once.

    Raises:
        ExtraError: the extra ``text`` is not installed.
    """
    return _sentiment()


def _read(texts: Sequence[str]) -> NDArray[np.float32]:
    return _sentiment().score(texts)


@cache
def _sentiment() -> Sentiment:
    return Sentiment()
