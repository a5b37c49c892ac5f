"""Pages from templates: escaping on, style and script from this service alone, nothing from anywhere else."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from recloop import __version__
from recloop.report.page import style
from recloop.store.accounts import Account

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", CSP.encode()),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
DONE = {
    "added": "The override holds from now on.",
    "ended": "The override holds no more. What it changed stays on record.",
    "looked": "The log was looked through. What was found is in the queue.",
    "reviewed": "The finding was changed.",
    "promoted": "The release answers from now on.",
    "rolled-back": "The release before answers again.",
}
MENU = (
    ("overview", "/dashboard", "Overview"),
    ("experiments", "/dashboard/experiments", "Experiments"),
    ("experience", "/dashboard/experience", "Experience"),
    ("overrides", "/dashboard/overrides", "Overrides"),
    ("reviews", "/dashboard/reviews", "Review queue"),
    ("releases", "/dashboard/releases", "Releases"),
    ("audit", "/dashboard/audit", "Audit"),
)


class Asset(NamedTuple):
    """A file that pages load."""

    content: bytes
    media: bytes


@cache
def _assets() -> dict[str, Asset]:
    own = files("recloop.dashboard").joinpath("templates")
    css = style() + own.joinpath("dashboard.css").read_text(encoding="utf-8")
    script = own.joinpath("dashboard.js").read_bytes()
    return {
        "/dashboard/style.css": Asset(css.encode(), b"text/css; charset=utf-8"),
        "/dashboard/icon.svg": Asset(own.joinpath("icon.svg").read_bytes(), b"image/svg+xml"),
        "/dashboard/script.js": Asset(script, b"text/javascript; charset=utf-8"),
    }


def asset(path: str) -> Asset | None:
    """The style or the script, by its address."""
    return _assets().get(path)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("recloop.dashboard"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"day": day, "moment": moment}
    return made


def day(seconds: float | None) -> str:
    """A day for people.

    >>> day(0.0), day(None)
    ('1 Jan 1970', '–')
    """
    return "–" if seconds is None else datetime.fromtimestamp(seconds, tz=UTC).strftime("%-d %b %Y")


def moment(seconds: float | None) -> str:
    """A moment for people.

    >>> moment(0.0)
    '1 Jan 1970, 00:00'
    """
    return "–" if seconds is None else datetime.fromtimestamp(seconds, tz=UTC).strftime("%-d %b %Y, %H:%M")


def render(
    template: str,
    values: Mapping[str, Any],
    *,
    title: str,
    account: Account | None,
    csrf: str,
    menu: str,
    now: float,
) -> bytes:
    """A page.

    Args:
        template: its file.
        values: what it names; SVG text is passed as ``Markup``.
        title: of the page.
        account: who looks at it; None where nobody is logged in.
        csrf: the token of its forms.
        menu: the entry of the menu that it belongs to.
        now: seconds since 1970.
    """
    common = {"title": title, "account": account, "csrf": csrf, "menu": menu, "entries": MENU, "now": now,
              "version": __version__, "done": "", "simulation": False}  # fmt: skip
    return _environment().get_template(template).render(**common | dict(values)).encode()
