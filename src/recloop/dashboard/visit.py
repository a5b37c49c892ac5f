"""What a page sees of a request, and what it may answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recloop.app.serving import Serving
from recloop.dashboard.memory import Memory
from recloop.errors import SettingError
from recloop.store.accounts import Account

Role = Literal["anybody", "viewer", "operator"]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page, by somebody who may make it.

    Attributes:
        serving: what can be asked of the service.
        memory: what was read lately.
        account: who; None on the page where one logs in.
        path: the parts of the address that the page has names for.
        query: what stands after the question mark.
        form: what was filled in.
        csrf: the token that each form of the page carries.
        token: of the session.
        now: seconds since 1970.
    """

    serving: Serving
    memory: Memory
    account: Account | None
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    csrf: str
    token: str
    now: float

    @property
    def name(self) -> str:
        """Who it is, as the audit log names people."""
        return "" if self.account is None else self.account.name

    def number(self, field_name: str, what: str) -> float:
        """A field of the form as a number.

        Raises:
            SettingError: it is none.
        """
        text = self.form.get(field_name, "").strip()
        try:
            found = float(text)
        except ValueError:
            found = float("nan")
        if not abs(found) < 1e12:
            raise SettingError(f"{what} is '{text[:40]}'", allowed="it must be a number")
        return found


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: its template and what that names."""

    template: str
    values: Mapping[str, Any]
    title: str
    status: int = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """Another page to go to; ``done`` names the sentence that it begins with, ``cookie`` what a browser keeps."""

    to: str
    done: str = ""
    cookie: str | None = None


Handler = Callable[[Visit], Shown | Sent]


@dataclass(frozen=True, slots=True)
class View:
    """A line of the dashboard's table: who may ask, and what answers. Only ``anybody`` needs no login."""

    method: Literal["GET", "POST"]
    path: str
    role: Role
    handler: Handler
    menu: str = field(default="")
