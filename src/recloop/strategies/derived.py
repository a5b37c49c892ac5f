from collections.abc import Callable
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

T = TypeVar("T")


class Derived(Generic[T]):
    """What is made of an array when it is first asked for, and anew once the array is another one.

    Args:
        make: an array to what is made of it.

    >>> import numpy as np
    >>> total = Derived(lambda array: float(array.sum()))
    >>> total.of(np.ones(3))
    3.0
    """

    def __init__(self, make: Callable[[NDArray[Any]], T]) -> None:
        self._make = make
        self._made: tuple[NDArray[Any], T] | None = None

    def of(self, array: NDArray[Any]) -> T:
        """What is made of this array."""
        made = self._made  # one reference: another thread may be making it, too
        if made is None or made[0] is not array:
            made = self._made = array, self._make(array)
        return made[1]
