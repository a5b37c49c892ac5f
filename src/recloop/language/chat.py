import json
import logging
import os
import re
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from recloop.errors import AnswerError, SettingError
from recloop.language.ledger import Ledger
from recloop.language.replies import Replies

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("recloop.language")

T = TypeVar("T")

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})  # statuses that may pass
FIRST_PAUSE = 0.5  # seconds before the second try; each further one waits twice as long
LARGEST = 2**20  # bytes of an answer that are read
BYTES_PER_TOKEN = 3  # fewer than any tokeniser needs for English, so that a budget is not passed
FAILURES = 3  # calls in a row that fail before no more are made for a while
REST = 30.0  # seconds of that while
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Chat:
    """A generative language model behind an OpenAI-compatible endpoint (``POST {url}/chat/completions``).

    One call has one deadline, whatever is tried within it: a busy or failing server is asked again after a pause, or
    after what its ``Retry-After`` says, as long as that fits. After three failures in a row no call is made for half a
    minute, so that a dead endpoint costs those who wait nothing. Accepted answers are kept on disk; each call is
    written to the ledger. Threads may share one.

    Args:
        url: the base, such as ``https://api.openai.com/v1`` or ``http://localhost:8000/v1``.
        model: the name that the endpoint knows it by.
        key_variable: the environment variable that holds the API key, read at each call; "" sends none. The key goes
            nowhere but into the request's header.
        timeout: seconds for one call with all its tries.
        retries: further tries.
        max_tokens: of an answer.
        max_calls: questions that reach the endpoint before no more are let through; None for no limit.
        body: further fields of the request; None takes one of the defaults out.
        ledger: what writes down costs and ends calls over the budget; None for neither.
        replies: where answers are kept; None asks each time.
        clock: seconds that only go forward.
        sleep: waits.

    Raises:
        SettingError: the url is none, or holds a password; the variable's name is none.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key_variable: str = "",
        timeout: float = 10.0,
        retries: int = 2,
        max_tokens: int = 256,
        max_calls: int | None = None,
        body: Mapping[str, Any] | None = None,
        ledger: Ledger | None = None,
        replies: Replies | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url, self.local = _checked(url)
        if key_variable and not VARIABLE.match(key_variable):
            raise SettingError(
                "key_variable is not the name of an environment variable",
                allowed="it names the variable that holds the key, such as OPENAI_API_KEY; it is not the key",
            )
        self.model, self.key_variable, self.max_tokens = model, key_variable, max_tokens
        self.timeout, self.retries, self.max_calls = timeout, retries, max_calls
        self.body = dict(body or {})
        self.ledger, self.replies = ledger, replies
        self.counts: Counter[str] = Counter()
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None
        self._calls = 0
        self._failed = 0
        self._rests_until = float("-inf")

    def ask(self, messages: Sequence[Mapping[str, str]], read: Callable[[str], T]) -> T:
        """What the model answers.

        Args:
            messages: of the chat, each with ``role`` and ``content``.
            read: makes of the answer what is wanted, or raises AnswerError. What it refuses is not kept.

        Raises:
            AnswerError: there is no answer that can be used; ``reason`` says why.
        """
        asked = self._asked(messages)
        key = Replies.key([self.url, asked])
        if self.replies and (kept := self.replies.get(key)) is not None:
            answer = read(kept)
            self._count("kept")
            return answer
        try:
            text = self._call(json.dumps(asked).encode(), jitter=int(key[:8], 16) / 2**32)
            answer = read(text)
        except AnswerError as error:
            self._count(error.reason)
            raise
        self._count("answered")
        if self.replies:
            self.replies.put(key, text)
        return answer

    def ask_all(
        self, questions: Sequence[tuple[Sequence[Mapping[str, str]], Callable[[str], T]]], workers: int = 8
    ) -> list[T | AnswerError]:
        """Many questions at a time; for each its answer, or why there is none."""

        def one(question: tuple[Sequence[Mapping[str, str]], Callable[[str], T]]) -> T | AnswerError:
            try:
                return self.ask(*question)
            except AnswerError as error:
                return error

        if len(questions) < 2:
            return [one(question) for question in questions]
        with ThreadPoolExecutor(min(workers, len(questions)), thread_name_prefix="recloop-chat") as pool:
            return list(pool.map(one, questions))

    def _asked(self, messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        asked = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": 0,
            "max_tokens": self.max_tokens,
            **self.body,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def _call(self, content: bytes, jitter: float) -> str:
        """One question: tries until there is an answer, the deadline is near, or trying again is of no use."""
        self._enter()
        most = len(content) // BYTES_PER_TOKEN + 1
        deadline = self._clock() + self.timeout
        for number in range(self.retries + 1):
            reserved = self.ledger.reserve(most, self.max_tokens) if self.ledger else 0.0
            used, outcome = (0, 0), "stopped"
            wait = FIRST_PAUSE * 2**number * (1 + jitter)
            try:
                text, used = self._once(content, deadline - self._clock(), most)
                outcome = "answered"
            except _Again as error:
                used, outcome, failure = (most if error.billed else 0, 0), error.reason, error
                wait = max(wait, error.after) if error.after else wait
            except AnswerError as error:
                outcome = error.reason
                self._fails(error.reason)
                raise
            else:
                with self._lock:
                    self._failed = 0
                return text
            finally:
                if self.ledger:
                    self.ledger.settle(reserved, self.model, *used, outcome)
            if number == self.retries or self._clock() + wait >= deadline:
                break
            self._sleep(wait)
        self._fails(failure.reason)
        raise AnswerError(
            f"the language model at {self.url} gave no answer ({failure.reason})",
            advice="look at its log, or allow more time",
            reason=failure.reason,
        )

    def _once(self, content: bytes, seconds: float, most: int) -> tuple[str, tuple[int, int]]:
        """The answer of one try, and the tokens of prompt and answer."""
        import httpx

        headers = {"content-type": "application/json", "accept": "application/json"}
        if self.key_variable and (secret := os.environ.get(self.key_variable)):
            headers["authorization"] = f"Bearer {secret}"
        end = self._clock() + seconds
        if seconds <= 0:
            raise _Again("timeout")
        read = bytearray()
        try:
            with self._client().stream(
                "POST", f"{self.url}/chat/completions", content=content, headers=headers, timeout=seconds
            ) as response:
                for chunk in response.iter_bytes():
                    read += chunk
                    if len(read) > LARGEST:
                        raise AnswerError("the language model's answer is larger than 1 MB", reason="too large")
                    if self._clock() > end:  # each read has a timeout of its own: an answer may still drip
                        raise _Again("timeout", billed=True)
        except httpx.TimeoutException as error:
            raise _Again("timeout", billed=not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)) from None
        except (httpx.TransportError, httpx.DecodingError, httpx.InvalidURL, UnicodeEncodeError):
            # no chain: a header that cannot be encoded would show the key
            raise _Again("unreachable") from None
        status = response.status_code
        if status in AGAIN:
            raise _Again(f"status {status}", after=_seconds(response.headers.get("retry-after")))
        if status != 200:
            raise AnswerError(
                f"the language model at {self.url} answered with status {status}",
                advice=f"check url, model and the key in {self.key_variable or 'key_variable'}",
                reason=f"status {status}",
            )
        text, prompt_tokens, answer_tokens = _answer(bytes(read))
        return text, (
            most if prompt_tokens is None else prompt_tokens,
            len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + 1 if answer_tokens is None else answer_tokens,
        )

    def _client(self) -> "httpx.Client":
        import httpx

        with self._lock:
            if self._http is None:
                # a model on this machine is not asked through a proxy
                self._http = httpx.Client(trust_env=not self.local, follow_redirects=False)
                weakref.finalize(self, self._http.close)
            return self._http

    def _enter(self) -> None:
        """Counts a call, or says why it is not made."""
        with self._lock:
            left = self._rests_until - self._clock()
            if left > 0:
                raise AnswerError(
                    f"the language model failed {FAILURES} times in a row; it is left alone for {left:.0f} s more",
                    reason="resting",
                )
            if self.max_calls is not None and self._calls >= self.max_calls:
                raise AnswerError(
                    f"the {self.max_calls:,} calls are used up", advice="raise max_calls", reason="max_calls"
                )
            self._calls += 1

    def _fails(self, reason: str) -> None:
        if reason == "budget":
            return
        with self._lock:
            self._failed += 1
            if self._failed < FAILURES:
                return
            self._failed = 0
            self._rests_until = self._clock() + REST
        log.warning("the language model at %s failed %d times in a row (%s)", self.url, FAILURES, reason)

    def _count(self, outcome: str) -> None:
        with self._lock:
            self.counts[outcome] += 1

    def __repr__(self) -> str:
        return f"Chat({self.url!r}, {self.model!r})"


class _Again(Exception):  # noqa: N818 - not an error of its own: what to do next
    """A try that failed and may be repeated."""

    def __init__(self, reason: str, *, after: float = 0.0, billed: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.after, self.billed = reason, after, billed


def _checked(url: str) -> tuple[str, bool]:
    """The base without its last slash, and whether it is on this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise SettingError(
            "url is not the base of an endpoint",
            allowed="it looks like https://host/v1",
            advice="give it without query",
        )
    if parts.username or parts.password:
        raise SettingError(
            "url holds a name or a password", advice="put the key into an environment variable, named by key_variable"
        )
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return url.rstrip("/"), local


def _answer(content: bytes) -> tuple[str, int | None, int | None]:
    """The text of the first choice, and the tokens that the endpoint counted."""
    try:
        found = json.loads(content)
        text = found["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise AnswerError("the endpoint's answer is no chat completion") from error
    if not isinstance(text, str):
        raise AnswerError("the endpoint's answer holds no text")
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return text, _tokens(usage.get("prompt_tokens")), _tokens(usage.get("completion_tokens"))


def _tokens(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _seconds(text: str | None) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:  # a date: wait as long as without it
        return 0.0
    return seconds if 0 <= seconds < float("inf") else 0.0
