"""The OpenAPI 3.1 description, made from the table of routes and the types that parse."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from recloop import __version__
from recloop.service.access import PUBLIC
from recloop.service.problems import MEDIA_TYPE, TITLES
from recloop.service.route import Page, Route
from recloop.wire import Problem

BODY_ERRORS = (400, 408, 413, 415, 422)
KEY_ERRORS = (401, 403)
ALWAYS = (406, 429)
PAGE_KEY = {
    "name": "key",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "The key, for pages: they cannot set a header.",
}


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The description as JSON values."""
    kinds = [kind for route in routes for kind in (route.request, route.answer) if kind not in {None, Page}]
    unique = [*dict.fromkeys([*kinds, Problem])]
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    reference = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, reference)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "recloop",
            "version": __version__,
            "description": "Slates, events, feedback, experiments and releases of one recommender loop.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key of recloop."}},
        },
    }


def _operation(route: Route, reference: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.path.strip("/").removeprefix("v1/").partition("/")[0]],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ]
        + [dict(PAGE_KEY)] * route.from_page,
        "security": [] if route.scope == PUBLIC else [{"key": []}],
    }
    if route.scope != PUBLIC:
        operation["description"] = f"Scope of the key: `{route.scope}`."
    if route.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {
                media: {"schema": reference[route.request]}
                for media in ("application/json", *(("text/plain",) if route.from_page else ()))
            },
        }
    if route.answer is Page:
        content: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": reference[route.answer]}}
    responses: dict[str, Any] = {str(route.status): {"description": route.summary + ".", "content": content}}
    expected = {
        *ALWAYS,
        *route.errors,
        *(KEY_ERRORS if route.scope != PUBLIC else ()),
        *(BODY_ERRORS if route.request else ()),
    }
    for status in sorted(expected):
        responses[str(status)] = {
            "description": TITLES[status] + ".",
            "content": {MEDIA_TYPE: {"schema": reference[Problem]}},
        }
    operation["responses"] = responses
    return operation
