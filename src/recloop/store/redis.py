"""The way to Redis: the extra, the URL, and what counts as no answer."""

from typing import Any

from recloop.errors import ExtraError, SettingError


def connect(url: str, timeout: float) -> Any:
    """A client that asks once and waits so long; nothing is opened yet.

    Args:
        url: ``redis://host:6379/0``, ``rediss://…`` or ``unix:///path/of.sock``.
        timeout: seconds for an answer, and for a connection.

    Raises:
        ExtraError: the extra ``redis`` is not installed.
        SettingError: the URL is not one of Redis.
    """
    try:
        import redis
    except ImportError as error:
        raise ExtraError.of("what services share in Redis", "redis") from error
    try:
        return redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None)
    except ValueError as error:
        raise SettingError(
            f"'{url.partition('@')[2] or url}' is no URL of Redis", allowed="redis://host:6379/0 is one"
        ) from error


def failures() -> tuple[type[Exception], ...]:
    """What says that Redis did not answer."""
    import redis

    return redis.RedisError, OSError
