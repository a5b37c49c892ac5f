"""Masking and pseudonyms over HTTP: what the store and the policies see."""

from pathlib import Path

import pytest

from recloop.app.pseudonyms import Pseudonyms
from recloop.errors import MissingError


def test_texts_are_masked_before_they_are_kept(serving, tmp_path: Path) -> None:
    said = {
        "user": "ann",
        "kind": "comment",
        "text": "Ring +49 30 1234567 or write ann@example.org. Order 123456789012!",
    }
    with serving() as (client, store):
        assert client.post("/v1/feedback", json=said).status_code == 202
        assert store.feedback()["text"].to_list() == ["Ring [phone] or write [email]. Order 123456789012!"]
    assert all(b"ann@example" not in file.read_bytes() for file in tmp_path.glob("store.db*"))
    with serving(mask=False) as (client, store):
        client.post("/v1/feedback", json=said)
        assert store.feedback()["text"].to_list()[1] == said["text"]


def test_no_real_id_reaches_the_store_or_a_policy(serving, tmp_path: Path, monkeypatch) -> None:
    key = tmp_path / "users.key"
    names = Pseudonyms.make(key)
    seen: list[str] = []
    from recloop.app.engine import Engine

    decide = Engine.decide_all
    monkeypatch.setattr(
        Engine, "decide_all", lambda self, requests: seen.extend(r.user for r in requests) or decide(self, requests)
    )
    with serving(pseudonymise=key) as (client, store):
        wish = {"user": "real-ann", "k": 3, "history": [{"item": "i1"}]}
        first = client.post("/v1/recommend", json=wish).json()["items"][0]["item"]
        client.post("/v1/events", json={"events": [{"user": "real-ann", "item": first, "kind": "view"}]})
        client.post("/v1/feedback", json={"user": "real-ann", "kind": "rating", "value": 4})
        again = client.post("/v1/recommend", json=wish).json()
        assert first not in [item["item"] for item in again["items"]]  # the same user, known by the same pseudonym
        kept = [*store.events()["user"], *store.decisions()["user"], *store.feedback()["user"]]
        assert set(kept) == {names.of("real-ann")}
    assert set(seen) == {names.of("real-ann")}
    assert all(b"real-ann" not in file.read_bytes() for file in tmp_path.glob("store.db*"))


def test_a_service_without_its_key_does_not_start(serving, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no key file"), serving(pseudonymise=tmp_path / "no.key"):
        pass
