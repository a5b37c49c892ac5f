"""One tree of errors: each says what was given, what is allowed, and what to do next."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class RecloopError(Exception):
    """Base of every error that recloop raises on purpose.

    Args:
        given: what was met, with the value.
        allowed: the rule that it breaks.
        advice: the way out.

    ``exit_code`` is what a command returns, ``status`` what the service answers.

    >>> print(RecloopError("k is 0", allowed="k must be between 1 and 1000", advice="Ask for k=10"))
    k is 0; k must be between 1 and 1000. Ask for k=10.
    """

    exit_code: ClassVar[int] = 1
    status: ClassVar[int] = 500

    def __init__(self, given: str, *, allowed: str = "", advice: str = "") -> None:
        self.given = given
        self.allowed = allowed
        self.advice = advice
        super().__init__(_sentence([part.rstrip(".") for part in (given, allowed, advice) if part]))


class SettingError(RecloopError):
    """A setting, argument or request field has a name or a value that is not allowed."""

    exit_code = 2
    status = 422


class DataError(RecloopError):
    """The data given cannot be used: unreadable, empty, or too many bad rows."""

    exit_code = 3
    status = 422


class MissingError(RecloopError):
    """Something that was named does not exist: a file, a strategy, an experiment, a release."""

    exit_code = 4
    status = 404


class ConflictError(RecloopError):
    """The thing is not in a state in which this can be done: running, stopped, already there."""

    exit_code = 5
    status = 409


class ExtraError(RecloopError):
    """An optional dependency is not installed."""

    exit_code = 6
    status = 501

    @classmethod
    def of(cls, what: str, extra: str) -> "ExtraError":
        """The error for ``what`` that needs ``pip install 'recloop[extra]'``."""
        return cls(
            f"{what} needs the extra '{extra}', which is not installed", advice=f"pip install 'recloop[{extra}]'"
        )


class StoreError(RecloopError):
    """The store cannot be reached or written: locked, read-only, full."""

    exit_code = 7
    status = 503


class BusyError(StoreError):
    """The store has more to write than it may hold in memory; ``seconds`` is when to send again."""

    status = 429

    def __init__(self, given: str, *, allowed: str = "", seconds: int = 1) -> None:
        when = "a second" if seconds == 1 else f"{seconds} seconds"
        super().__init__(given, allowed=allowed, advice=f"send again in {when}")
        self.seconds = seconds


class ArtifactError(RecloopError):
    """A saved model, release or run is damaged, incomplete or of another version."""

    exit_code = 8
    status = 500


class AnswerError(RecloopError):
    """A language model behind HTTP gave no answer that can be used: unreachable, late, malformed, over budget.

    ``reason`` says it in a word or two, for counters.
    """

    exit_code = 10
    status = 502

    def __init__(self, given: str, *, allowed: str = "", advice: str = "", reason: str = "malformed") -> None:
        super().__init__(given, allowed=allowed, advice=advice)
        self.reason = reason


class AccessError(RecloopError):
    """No key, an unknown key, or a key without the scope that is needed."""

    exit_code = 9
    status = 401


class ScopeError(AccessError):
    """The key is known, and lacks the scope."""

    status = 403


def _sentence(parts: list[str]) -> str:
    # parts that begin with a capital are sentences of their own; commands and clauses keep their small letter
    joined = "".join((". " if part[:1].isupper() else "; ") + part for part in parts)
    return joined[2:] if joined.endswith("?") else f"{joined[2:]}."


def nearest(name: str, valid: Iterable[str]) -> str:
    """The sentence that offers the nearest valid name, or lists them all.

    >>> nearest("eese", ["ease", "ials"])
    "Did you mean 'ease'? Valid: ease, ials"
    >>> nearest("home", [])
    'There is none yet'
    """
    names = sorted(valid)
    if not names:
        return "There is none yet"
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    listed = f"Valid: {', '.join(names)}"
    return f"Did you mean '{close[0]}'? {listed}" if close else listed
