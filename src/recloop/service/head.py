from functools import lru_cache
from typing import Any

from starlette.datastructures import Headers


class Head(Headers):
    """The headers of a request, found by a look into a dictionary: most that are asked for are not there.

    >>> head = Head({"headers": [(b"host", b"shop.example"), (b"x-a", b"1"), (b"x-a", b"2")]})
    >>> head.get("host"), head.get("X-A"), head.get("origin"), head.get("origin", "none")
    ('shop.example', '1', None, 'none')
    """

    def __init__(self, scope: Any) -> None:
        super().__init__(scope=scope)
        self._first = dict(reversed(self._list))

    def get(self, key: str, default: Any = None) -> Any:
        """The first value of a name, or the default."""
        found = self._first.get(_raw(key))
        return default if found is None else found.decode("latin-1")


@lru_cache(maxsize=256)
def _raw(name: str) -> bytes:
    return name.lower().encode("latin-1")
