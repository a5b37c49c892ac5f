"""The description says what the routes do, and the page needs nothing but itself."""

import re
from pathlib import Path

import httpx

from recloop.service.application import TABLE
from recloop.service.openapi import describe
from recloop.service.problems import TITLES
from recloop.service.routes import ROUTES

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "http.md"


def test_every_route_is_described() -> None:
    document = describe(ROUTES)
    assert document["openapi"] == "3.1.0"
    described = {(m.upper(), path) for path, methods in document["paths"].items() for m in methods}
    assert described == {(route.method, route.path) for route in ROUTES}
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    document = describe(ROUTES)
    wanted = set(re.findall(r"#/components/schemas/(\w+)", repr(document)))
    assert wanted == set(document["components"]["schemas"])


def test_what_comes_back_is_what_is_described(service) -> None:
    client, _ = service
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    variants = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}
    calls = {
        ("post", "/v1/recommend"): {"user": "u1"},
        ("post", "/v1/events"): {"events": [{"user": "u", "item": "i", "kind": "view"}]},
        ("post", "/v1/feedback"): {"user": "u", "kind": "rating", "value": 3},
        ("post", "/v1/experiments"): {"name": "home", "variants": variants},
        ("get", "/v1/experiments"): None,
        ("get", "/v1/releases"): None,
        ("get", "/health/live"): None,
        ("get", "/health/ready"): None,
    }
    for (method, path), body in calls.items():
        answer = client.request(method, path, json=body)
        described = document["paths"][path][method]["responses"][str(answer.status_code)]
        reference = described["content"]["application/json"]["schema"]["$ref"]
        schema = schemas[reference.rpartition("/")[2]]
        told = answer.json()
        assert set(told) <= set(schema["properties"])
        assert set(schema.get("required", [])) <= set(told)


def test_the_page_loads_nothing(service) -> None:
    client: httpx.Client = service[0]
    answer = client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    for word in ("<script", "http://", "https://", "src=", "@import", "url("):
        assert word not in answer.text
    for route in ROUTES:
        assert route.path in answer.text
    anchors = set(re.findall(r'id="([^"]+)"', answer.text))
    assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= anchors
    assert {f"problem-{status}" for status in TITLES} <= anchors


def test_every_route_has_its_paragraph() -> None:
    page = REFERENCE.read_text()
    for route in TABLE:
        assert f"`{route.method} {route.path}`" in page, f"docs/reference/http.md does not tell of {route.path}"
        if route.scope:
            section = page.split(f"`{route.method} {route.path}`", 1)[1].split("\n## ", 1)[0]
            assert f"`{route.scope}`" in section, f"{route.path}: its scope is not named"
    for status in TITLES:
        assert f"| {status} |" in page, f"docs/reference/http.md does not tell of status {status}"
