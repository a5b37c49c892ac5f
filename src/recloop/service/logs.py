"""What the process says, as one line of JSON each, with the id of the request during which it was said."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

import msgspec

REQUEST: ContextVar[str] = ContextVar("recloop_request", default="")
LOGGERS = ("recloop", "uvicorn")


class JsonLines(logging.Formatter):
    """A record as JSON. Of an exception it has the type and the places, not the message: that may hold a user's words.

    >>> record = logging.LogRecord("recloop.service", logging.WARNING, "", 0, "%s is late", ("the store",), None)
    >>> record.created = 5.0
    >>> JsonLines().format(record)
    '{"time":5.0,"level":"warning","logger":"recloop.service","message":"the store is late"}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := REQUEST.get():
            line["request"] = request
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            line["where"] = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        return msgspec.json.encode(line).decode()


@contextmanager
def json_logs(stream: TextIO | None) -> Iterator[None]:
    """While the context lasts, recloop's and the server's loggers write JSON to a stream; None leaves them alone."""
    if stream is None:
        yield
        return
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(one.level, one.propagate) for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(logging.WARNING)
        one.propagate = False
    try:
        yield
    finally:
        for one, (level, propagate) in zip(loggers, before, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)
            one.propagate = propagate
