"""Problem documents (RFC 9457) as recloop's own errors."""

from typing import ClassVar

import httpx
import msgspec

from recloop.errors import AccessError, ConflictError, MissingError, RecloopError, ScopeError, SettingError
from recloop.wire import Problem

KINDS: dict[int, type[RecloopError]] = {401: AccessError, 403: ScopeError, 404: MissingError, 409: ConflictError}
SHOWN = 200  # characters of an answer that is no problem document


class ServiceError(RecloopError):
    """The service did not answer, or failed."""

    exit_code: ClassVar[int] = 7
    status: ClassVar[int] = 502


def problem_of(answer: httpx.Response) -> Problem | None:
    """The problem document in an answer; None where something else answered, such as a proxy."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        return msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def error_of(answer: httpx.Response) -> RecloopError:
    """The error that an answer tells of.

    By its status an ``AccessError``, ``ScopeError``, ``MissingError`` or ``ConflictError``; a ``SettingError`` for
    another 4xx, a ``ServiceError`` for the rest. Its text is the service's own sentence, and a note holds the id of the
    request, as in the service's log.

    >>> detail = b'{"type": "", "title": "", "status": 404, "detail": "there is no release b.", "request": "r1"}'
    >>> answer = httpx.Response(404, content=detail, headers={"content-type": "application/problem+json"})
    >>> error_of(answer), error_of(answer).__notes__
    (MissingError('there is no release b.'), ['request r1'])
    """
    status = answer.status_code
    kind = KINDS.get(status, SettingError if 400 <= status < 500 else ServiceError)
    problem = problem_of(answer)
    if problem is None:
        return kind(f"the answer has status {status}: {answer.text[:SHOWN]}")
    error = kind(problem.detail)
    if problem.request:
        error.add_note(f"request {problem.request}")
    return error
