from typing import Any

from recloop.errors import RecloopError, SettingError


def in_table(where: str, work: Any) -> Any:
    """The result of ``work``; its error says in which table it arose."""
    try:
        return work()
    except RecloopError as error:
        raise SettingError(f"[{where}] {error.given}", allowed=error.allowed, advice=error.advice) from None
