"""One HTML file from a template: style inside, escaping on, nothing loaded from anywhere."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from recloop import __version__


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("recloop.report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def style() -> str:
    """The style of pages and charts."""
    return files("recloop.report").joinpath("templates/style.css").read_text(encoding="utf-8")


def render(template: str, values: Mapping[str, Any], *, kind: str, now: float, simulation: bool = False) -> str:
    """The page as text.

    Args:
        template: a file of ``report/templates``.
        values: what the template names; SVG text is passed as ``Markup``.
        kind: what sort of page this is, for its first line.
        now: seconds since 1970 in UTC, for its first line.
        simulation: whether the numbers come from a made-up world; then the page says so.
    """
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            style=Markup(style()),  # noqa: S704 -- our own file
            kind=kind,
            simulation=simulation,
            made=datetime.fromtimestamp(now, tz=UTC).strftime("%d %B %Y, %H:%M UTC"),
            version=__version__,
        )
    )
