from collections import Counter
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

WORTH = 1_000_000  # elementary steps that pay for loading numba (about half a second, once)
_asked: Counter[str] = Counter()  # steps by module; by "" those that count for all of them


def compiled(module: str, work: float) -> Any:
    """The module of numba kernels, or None: numba is not installed, or the work is too small to pay for loading it.

    Every kernel has a NumPy twin that answers the same but for rounding; numba comes with the extra ``fast``. Which of
    the two works depends on nothing but the size of the work, so that a run repeats; in a service kernels always do
    (``at_once``).

    Args:
        module: its dotted name, such as ``recloop.data.kernels``.
        work: about how many numbers are touched.

    >>> compiled("recloop.data.kernels", work=1e9).__name__
    'recloop.data.kernels'
    """
    return _kernels(module) if work + _asked[""] >= WORTH else None


def often(module: str, work: float) -> Any:
    """As ``compiled``, for work that is small each time and never ends: what earlier calls did counts, too.

    So a command that asks once never loads numba. Only for kernels that answer bit for bit what their twins do: else
    an answer would change when it is asked for again.

    >>> often("recloop.data.kernels", work=1e9).__name__
    'recloop.data.kernels'
    """
    _asked[module] += int(work)
    return compiled(module, _asked[module])


def at_once() -> None:
    """Have kernels work from the first call on: a service loads them before somebody waits for a slate."""
    _asked[""] = WORTH


@cache
def _kernels(module: str) -> Any:
    return import_module(module) if find_spec("numba") else None
