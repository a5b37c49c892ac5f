"""How a connection speaks HTTP: nobody holds it open by sending, or reading, a byte now and then."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from recloop.service.body import ARRIVED

HEAD = 30.0  # seconds for the head of a request to arrive, from the first byte or the opened connection
READING = 30.0  # seconds for a client to take what waits for it
HEADS = tuple(b"HTTP/1.1 %d" % kind for kind in (2, 3, 4, 5))  # of answers; "100 Continue" is none
HEAD_SIZE = 65_536  # bytes of a head: beyond it nobody reads on

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 30\r\nconnection: close\r\n\r\nThe request head is too large."
)


class PatientProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with an end to its patience.

    Uvicorn waits for ever for the head of a request, keeps whatever arrives of it, and waits for ever until an answer
    is taken. ``body.read`` limits the time and size of bodies; this limits the rest.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._until_head: asyncio.TimerHandle | None = None
        self._until_read: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there; from now on its first request is waited for."""
        self._joined = Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Some bytes; where they end inside a head, the rest of it is waited for."""
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_SIZE and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()
        if self._until_head is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for_head()  # also what follows an answer that was given before the body had arrived

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._head_size = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head = False
        _stop(self._until_head)
        self._until_head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of a request is there: whoever reads its body need not set a limit of time."""
        self.scope[ARRIVED] = True  # type: ignore[literal-required]  # a key of ours
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is sent; where the next request has begun meanwhile, the rest of its head is waited for."""
        self._joined.flush()
        super().on_response_complete()
        if self._in_head and self._until_head is None:
            self._wait_for_head()

    def pause_writing(self) -> None:
        """What is sent is not taken."""
        super().pause_writing()
        if self._until_read is None:
            self._until_read = self.loop.call_later(READING, self.transport.abort)

    def resume_writing(self) -> None:
        """What was sent is taken."""
        _stop(self._until_read)
        self._until_read = None
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        _stop(self._until_head)
        _stop(self._until_read)
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._until_head = self.loop.call_later(HEAD, self.transport.abort)


class Joined:
    """A transport that sends the head of an answer together with what follows: one call of the system instead of two.

    Args:
        transport: of the connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""

    def write(self, data: bytes) -> None:
        """Hold the head of an answer; send what follows, and the head before it."""
        if self._held:
            data, self._held = self._held + data, b""
        elif data.startswith(HEADS) and data.endswith(b"\r\n\r\n"):
            self._held = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that nothing followed."""
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
