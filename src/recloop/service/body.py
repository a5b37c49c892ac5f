"""The body of a request: never more of it than allowed, never longer than patience lasts."""

import asyncio
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.types import Message, Receive

from recloop.errors import SettingError
from recloop.service.problems import BodyError, HttpError, invalid, malformed

PATIENCE = 30.0  # seconds for a body to arrive
ARRIVED = "recloop.arrived"  # in the scope of a request that is there to its last byte


class GoneError(Exception):
    """The client went away before it had said what it wanted."""


async def read(headers: Headers, receive: Receive, limit: int, *, arrived: bool = False) -> bytes:
    """The body of at most ``limit`` bytes; a longer one is refused before it is read.

    Args:
        headers: of the request.
        receive: gives the next piece.
        limit: bytes.
        arrived: whether all pieces are there, so that nothing is waited for.

    Raises:
        HttpError: 408, 413 or 415.
        GoneError: the client went away.
    """
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise HttpError(
            415, f"the content type is '{media}'", allowed="it must be application/json", advice="set Content-Type"
        )
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(f"{int(announced)} bytes", limit)
    first = _piece(await receive()) if arrived else await _next(receive, PATIENCE)
    if not first[1] and len(first[0]) <= limit:
        return first[0]
    chunks, size, more = [first[0]], len(first[0]), first[1]
    end = asyncio.get_running_loop().time() + PATIENCE
    while more and size <= limit:
        chunk, more = await _next(receive, end - asyncio.get_running_loop().time())
        chunks.append(chunk)
        size += len(chunk)
    if size > limit:
        raise _too_large(f"more than {limit} bytes", limit)
    return b"".join(chunks)


def decode(decoder: "msgspec.json.Decoder[Any]", body: bytes | msgspec.Raw, what: str = "body") -> Any:
    """The body, or a part of it, as the decoder's type; ``what`` names it in errors.

    Raises:
        BodyError: it is not JSON.
        SettingError: it is JSON, and not what is wanted.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        given, rule = invalid(error, decoder.type, what, body)
        raise SettingError(given, allowed=rule) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(error, len(bytes(body)), what) from None
    except RecursionError:
        raise BodyError(f"the {what} is nested too deeply", advice="send one flat JSON object") from None


async def _next(receive: Receive, patience: float) -> tuple[bytes, bool]:
    """The next piece, and whether more follow."""
    try:
        async with asyncio.timeout(patience):
            message = await receive()
    except TimeoutError:
        raise HttpError(408, f"the body did not arrive within {PATIENCE:.0f} seconds", advice="send it again") from None
    return _piece(message)


def _piece(message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise GoneError
    return message.get("body", b""), message.get("more_body", False)


def _too_large(given: str, limit: int) -> HttpError:
    return HttpError(413, f"the body has {given}", allowed=f"at most {limit} are read", advice="send smaller batches")
