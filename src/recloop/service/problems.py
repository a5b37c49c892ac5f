"""Errors as problem documents (RFC 9457): a sentence that says what to do, and never a stack."""

import re
from typing import Any, ClassVar

import msgspec

from recloop.compose.typed import TOML, in_words, value_at
from recloop.errors import RecloopError, nearest
from recloop.wire import Problem, Rejected

MEDIA_TYPE = "application/problem+json"
JSON = TOML | {"object": "an object", "null": "null"}
SHOWN = 40  # characters of a value that an answer repeats


class HttpError(RecloopError):
    """Something wrong with the request as HTTP, before anybody looks at what it wants."""

    def __init__(
        self, status: int, given: str, *, allowed: str = "", advice: str = "", allow: str = "", retry: float = 0.0
    ) -> None:
        super().__init__(given, allowed=allowed, advice=advice)
        self.code = status
        self.allow = allow
        self.retry = retry


class BodyError(RecloopError):
    """The body is not JSON."""

    status: ClassVar[int] = 400


class RejectedError(RecloopError):
    """No event of a batch could be kept."""

    status: ClassVar[int] = 422

    def __init__(self, rejected: tuple[Rejected, ...]) -> None:
        super().__init__(
            f"none of the {len(rejected)} events could be kept: {rejected[0].detail}", advice="mend them and send again"
        )
        self.rejected = rejected


TITLES = {
    400: "The body is not JSON",
    401: "A key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Another version",
    408: "The body took too long",
    409: "Conflict",
    413: "The body is too large",
    415: "The body must be JSON",
    421: "Wrong host",
    422: "Not valid",
    429: "Too much at once",
    500: "Something failed here",
    501: "Not installed",
    503: "Not available now",
}


def status_of(error: BaseException) -> int:
    """The HTTP status of an error: 500 for one that nobody expected."""
    if isinstance(error, HttpError):
        return error.code
    return error.status if isinstance(error, RecloopError) else 500


def problem(error: BaseException, request: str) -> Problem:
    """The document for an error. What was not expected is told to the log, not to the caller."""
    status = status_of(error)
    known = isinstance(error, RecloopError)
    detail = str(error) if known else "The service met an error that it did not expect. The log has it."
    return Problem(
        type=f"/docs#problem-{status}",
        title=TITLES.get(status, "Problem"),
        status=status,
        detail=detail,
        request=request,
        rejected=error.rejected if isinstance(error, RejectedError) else (),
    )


def malformed(error: msgspec.DecodeError | UnicodeDecodeError, size: int, what: str = "body") -> RecloopError:
    """The error for a body that is not JSON: it says where."""
    if isinstance(error, UnicodeDecodeError):
        return BodyError(f"the {what} is not JSON: a text in it is not UTF-8", advice="send one JSON object in UTF-8")
    if size == 0:
        return BodyError(f"the {what} is empty", allowed="a JSON object is needed", advice="see /docs")
    message = str(error)
    found = re.search(r"^(?:JSON is malformed: )?(.*?)(?: \(byte (\d+)\))?$", message)
    assert found is not None
    where = f"at byte {found[2]}" if found[2] else f"at its end, byte {size}"
    return BodyError(f"the {what} is not JSON: {found[1].lower()} {where}", advice="send one JSON object in UTF-8")


def invalid(
    error: msgspec.ValidationError, kind: Any, where: str = "body", raw: bytes | msgspec.Raw = b""
) -> tuple[str, str]:
    """What is wrong with a document ``raw`` of type ``kind``, and the rule: msgspec's message as two sentences.

    >>> class Wish(msgspec.Struct, forbid_unknown_fields=True):
    ...     items: list[int] = []
    >>> try:
    ...     msgspec.json.decode(b'{"item": 3}', type=Wish)
    ... except msgspec.ValidationError as error:
    ...     print(invalid(error, Wish))
    ("the body has an unknown field 'item'", "Did you mean 'items'? Valid: items")
    """
    rule, _, path = str(error).partition(" - at `$")
    path = path.rstrip("`").lstrip(".")
    place = f"'{path}' of the {where}" if path else f"the {where}"
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", rule):
        return f"{place} has an unknown field '{found[1]}'", nearest(found[1], _fields(kind, path))
    if found := re.fullmatch(r"Object missing required field `(.*)`", rule):
        return f"{place} lacks the field '{found[1]}'", f"'{found[1]}' is required"
    if found := re.fullmatch(r"Invalid enum value '(.*)'", rule):
        shape = _shape(kind, path)
        assert isinstance(shape, msgspec.inspect.LiteralType)
        return f"{place} is '{found[1]}'", nearest(found[1], map(str, shape.values))
    given = "not valid" if "..." in path else _given(raw, path)
    return f"{place} is {given}", in_words(rule, JSON)


def _given(raw: bytes | msgspec.Raw, path: str) -> str:
    """What stands at a path of a document, in words or cut short."""
    try:
        value = value_at(msgspec.json.decode(raw), path)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # what follows may not even be JSON
        return "not valid"
    if isinstance(value, dict | list):
        return JSON["object" if isinstance(value, dict) else "array"]
    text = msgspec.json.encode(value).decode()
    end = '"' if isinstance(value, str) else ""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…{end}"


def _fields(kind: Any, path: str) -> list[str]:
    """The names of the fields of the object at a path such as ``history[...].item`` inside a ``kind``."""
    return [field.encode_name for field in _struct(_shape(kind, path)).fields]


def _shape(kind: Any, path: str) -> msgspec.inspect.Type:
    shape: msgspec.inspect.Type = msgspec.inspect.type_info(kind)
    for name in [part for part in re.split(r"\.|\[\d*(?:\.\.\.)?\]", path) if part]:
        shape = next(field.type for field in _struct(shape).fields if field.encode_name == name)
    return shape


def _struct(shape: msgspec.inspect.Type) -> msgspec.inspect.StructType:
    while not isinstance(shape, msgspec.inspect.StructType):
        if isinstance(shape, msgspec.inspect.Metadata):
            shape = shape.type
        elif isinstance(shape, msgspec.inspect.UnionType):
            shape = next(option for option in shape.types if not isinstance(option, msgspec.inspect.NoneType))
        elif isinstance(shape, msgspec.inspect.DictType):
            shape = shape.value_type
        else:
            assert isinstance(shape, msgspec.inspect.VarTupleType | msgspec.inspect.ListType)
            shape = shape.item_type
    return shape
