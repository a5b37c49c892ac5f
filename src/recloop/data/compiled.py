from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

WORTH = 1_000_000  # elementary steps that pay for loading numba (about half a second, once)


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


@cache
def _kernels(module: str) -> Any:
    return import_module(module) if find_spec("numba") else None
