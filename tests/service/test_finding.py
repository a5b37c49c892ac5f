"""Similar items, search and conditions over HTTP."""

from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.loop.release import build_release
from recloop.strategies.popular import Popular

ITEMS = pl.DataFrame(
    {
        "item": ["a/b", "ü?", "c", "d", "e"],
        "title": ["Alien", "Clue", "Scream", "Babe", "Heat"],
        "category": ["Horror", "Comedy", "Horror", "Comedy|Drama", "Drama"],
        "brand": ["Fox", "Fox", "Dimension", None, "Warner"],
        "price": [5.0, 8.0, 10.0, 20.0, None],
        "available": [True, True, True, True, False],
    }
)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose catalogue has every attribute, with vectors of behaviour."""
    log = pl.DataFrame({"user": ["u1", "u1", "u2", "u3"], "item": ["c", "a/b", "c", "d"], "kind": "view"})
    shop = Dataset.of(log, ITEMS)
    vectors = {"a/b": (1, 0.1), "ü?": (0, 1), "c": (1, 0), "d": (0.5, 0.5), "e": (1, 0.1)}
    return build_release(
        tmp_path_factory.mktemp("films") / "films",
        name="films",
        version=1,
        dataset=shop,
        strategies={"popular": Popular().fit(shop)},
        policies={"popular": SlateConfig(sources=["popular"], fallback="")},
        default_policy="popular",
        vectors=np.array([vectors[item] for item in shop.item_ids], np.float32),
        created=0.0,
    )


@pytest.fixture
def client(serving, films: Path):
    with serving(release=films) as (client, store):
        yield client
        assert store.counts()["events"] == 0


def items(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["item"] for one in answer.json()["items"]]


def test_similar_by_vectors(client: httpx.Client) -> None:
    answer = client.post("/v1/items/a%2Fb/similar", json={})
    assert items(answer) == ["c", "d", "ü?"]  # e is not available
    assert (answer.json()["by"], answer.json()["release"]) == ("behaviour", "films")
    assert answer.json()["items"][0]["title"] == "Scream"
    assert items(client.post("/v1/items/%C3%BC%3F/similar", json={"k": 1})) == ["d"]
    assert items(client.post("/v1/items/c/similar", json={"exclude": ["a/b", "nobody"]})) == ["d", "ü?"]
    where = {"category": {"in": ["comedy"]}}
    assert items(client.post("/v1/items/c/similar", json={"where": where})) == ["d", "ü?"]


def test_similar_without_vectors_is_what_the_policy_says(service) -> None:
    client, store = service
    answer = client.post("/v1/items/i0/similar", json={"k": 5, "exclude": ["i1"]})
    assert answer.json()["by"] == "policy"
    assert len(items(answer)) == 5
    assert not {"i0", "i1"} & set(items(answer))
    assert store.counts() == {"events": 0, "decisions": 0, "feedback": 0}


def test_search(client: httpx.Client) -> None:
    answer = client.post("/v1/search", json={"text": "a comedy, nothing with drama"})
    assert items(answer) == ["ü?"]
    assert answer.json()["understood"] == ["more: comedy", "never: drama"]
    assert answer.json()["by"] == "words"
    assert items(client.post("/v1/search", json={"text": "fox", "where": {"price": {"maximum": 6}}})) == ["a/b"]
    assert items(client.post("/v1/search", json={"text": "comedies", "exclude": ["d"], "k": 1})) == ["ü?"]
    assert items(client.post("/v1/search", json={"text": "heat"})) == []  # not available


def test_conditions_on_a_slate(client: httpx.Client) -> None:
    assert set(items(client.post("/v1/recommend", json={}))) == {"a/b", "ü?", "c", "d"}
    for where, left in (
        ({"category": {"in": ["Horror"]}}, {"a/b", "c"}),
        ({"brand": {"not_in": ["fox"]}}, {"c", "d"}),
        ({"price": {"minimum": 8, "maximum": 10}}, {"ü?", "c"}),
        ({"price": {"maximum": 1}}, set()),
    ):
        assert set(items(client.post("/v1/recommend", json={"where": where}))) == left
    both = {"where": {"price": {"minimum": 8}}, "candidates": ["c", "a/b"], "exclude": ["d"]}
    assert items(client.post("/v1/recommend", json=both)) == ["c"]


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/v1/items/zzz/similar", {}, 404, "the catalogue of release 'films' has no item 'zzz'; look at the id"),
        ("/v1/items/c/similar", {"k": 0}, 422, "'k' of the body is 0. It must be a whole number of at least 1."),
        ("/v1/search", {}, 422, "the body lacks the field 'text'"),
        ("/v1/search", {"text": ""}, 422, "'text' of the body is \"\". It must be a text with a length of at least 1."),
        ("/v1/search", {"text": "x" * 501}, 422, "a length of at most 500"),
        (
            "/v1/recommend",
            {"where": {"colour": {"in": ["red"]}}},
            422,
            "'where' names the attribute 'colour', which no item of the catalogue has. Valid: brand, category, price",
        ),
        (
            "/v1/recommend",
            {"where": {"price": {"max": 3}}},
            422,
            "'where[...]' of the body has an unknown field 'max'. Did you mean 'maximum'?",
        ),
        ("/v1/recommend", {"where": {"price": {"maximum": "3"}}}, 422, "It must be a number"),
    ],
)
def test_what_is_refused(client: httpx.Client, path: str, body: dict, status: int, sentence: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["detail"]
