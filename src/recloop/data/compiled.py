from collections import Counter
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

WORTH = 1_000_000  # elementary steps that pay for loading numba (about half a second, once)
_asked: Counter[str] = Counter()  # steps by module; by "" those that count for all of them


def compiled(module: str, work: float) -> Any:
    """The module of numba kernels, or None: numba is not installed, or the work is too small to pay for loading it.

    Every kernel has a NumPy twin that answers the same; numba comes with the extra ``fast``. Which of the two works
    depends on nothing but the size of the work, so that a run repeats.

    Args:
        module: its dotted name, such as ``recloop.data.kernels``.
        work: about how many numbers are touched.

    >>> compiled("recloop.data.kernels", work=100) is None
    True
    """
    return _kernels(module) if work >= WORTH else None


def often(module: str, work: float) -> Any:
    """As ``compiled``, for work that is small each time and never ends: what earlier calls did counts, too.

    So a service has such kernels after its first requests, and a command that asks once never loads numba. Which call
    is the first to get them depends on nothing but the calls before it, so that a run repeats.

    >>> often("recloop.data.kernels", work=100) is None
    True
    """
    _asked[module] += int(work)
    return compiled(module, _asked[module] + _asked[""])


def at_once() -> None:
    """Have ``often`` give kernels from the first call: a service loads them before somebody waits for a slate."""
    _asked[""] = WORTH


@cache
def _kernels(module: str) -> Any:
    return import_module(module) if find_spec("numba") else None
