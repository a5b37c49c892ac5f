"""The description as a page that needs no network and no script, and as OpenAPI for programs."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from recloop import __version__
from recloop.report.page import style
from recloop.service.access import PUBLIC
from recloop.service.openapi import describe
from recloop.service.problems import TITLES
from recloop.service.route import Call, Page, Route
from recloop.service.routes import ROUTES


async def openapi(_call: Call) -> Page:
    """The OpenAPI 3.1 description."""
    return Page(_description(), "application/json")


async def docs(_call: Call) -> Page:
    """The description as a page."""
    return Page(_page(), "text/html; charset=utf-8", _content_policy())


async def script(_call: Call) -> Page:
    """What sends views and clicks of a page."""
    return Page(_script(), "text/javascript; charset=utf-8", cache="public, max-age=3600")


PAGES = (
    Route("GET", "/v1/recloop.js", PUBLIC, script, Page),
    Route("GET", "/openapi.json", PUBLIC, openapi, Page),
    Route("GET", "/docs", PUBLIC, docs, Page),
)


@cache
def _script() -> bytes:
    return files("recloop.service").joinpath("templates/recloop.js").read_bytes()


@cache
def _description() -> bytes:
    return msgspec.json.encode(describe(ROUTES))


@cache
def _page() -> bytes:
    environment = Environment(
        loader=PackageLoader("recloop.service"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    document: dict[str, Any] = msgspec.json.decode(_description())
    template = environment.get_template("docs.html")
    return template.render(document=document, titles=TITLES, style=Markup(_style()), version=__version__).encode()  # noqa: S704 -- our own file


@cache
def _style() -> str:
    """The style that all of recloop's pages share, and what this one adds."""
    return style() + files("recloop.service").joinpath("templates/docs.css").read_text(encoding="utf-8")


@cache
def _content_policy() -> str:
    """This style, and nothing else from anywhere."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
