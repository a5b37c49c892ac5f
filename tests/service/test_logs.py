"""No secret and nothing of a user's in any log, whatever is sent."""

import io
import logging

import httpx
import pytest

PLANTED = {
    "user": "anna-planted-user",
    "item": "planted-item",
    "text": "planted words that a person wrote",
    "steer": "planted wishes, no horror",
    "profile": "planted-profile",
    "session": "planted-session",
}


def test_a_session_leaves_no_trace_of_what_was_planted(serving, caplog, capfd, monkeypatch) -> None:
    caplog.set_level(logging.DEBUG)
    log = io.StringIO()
    with serving(keys=True, log=log) as (client, store):
        token = store.keys.create("planted-key-name", ["admin"])
        header = {"Authorization": f"Bearer {token}"}

        def send(path: str, body: object, headers: dict[str, str] = header) -> int:
            return client.post(path, json=body, headers=headers).status_code

        user, item = PLANTED["user"], PLANTED["item"]
        wish = {"user": user, "profile": {"a": PLANTED["profile"]}, "session": PLANTED["session"]}
        assert send("/v1/recommend", wish) == 200
        assert send("/v1/recommend", wish | {"steer": PLANTED["steer"], "explain": True}) in {200, 422}
        assert send("/v1/recommend", wish | {PLANTED["text"]: 1}) == 422
        assert send("/v1/events", {"events": [{"user": user, "item": item, "kind": "view"}]}) == 202
        assert send("/v1/events", {"events": [{"user": user, "item": item}]}) == 422
        assert send("/v1/feedback", {"user": user, "kind": "comment", "text": PLANTED["text"]}) == 202
        assert send("/v1/feedback", {"user": user, "kind": PLANTED["text"]}) == 422
        assert send("/v1/recommend", wish, {"Authorization": f"Bearer {token}planted"}) == 401
        assert client.get(f"/v1/{user}?q={PLANTED['text']}", headers=header).status_code == 404
        client.get("/health/live", headers={"X-Request-Id": f"not valid: {PLANTED['text']}", "User-Agent": "planted"})

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError(PLANTED["text"], user)

        with monkeypatch.context() as broken:
            broken.setattr("recloop.app.engine.Engine.decide_all", fail)
            assert send("/v1/recommend", wish) == 500
        with monkeypatch.context() as broken:
            broken.setattr("recloop.strategies.item_knn.ItemKNN._score", fail)
            broken.setattr("recloop.strategies.item_knn.ItemKNN._rank_block", fail)
            assert send("/v1/recommend", wish) == 200
        figures = client.get("/metrics", headers=header).text
    ours = [one for one in caplog.records if not one.name.startswith("http")]  # the client's logs are not the service's
    captured = capfd.readouterr()
    written = "\n".join([log.getvalue(), *map(logging.Formatter().format, ours), captured.out, captured.err, figures])
    assert log.getvalue().count("\n") > 10  # it did log
    assert "RuntimeError in request" in written
    for word in ("planted", "horror", token, token.split("_", 2)[2]):
        assert word not in written


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_in_the_middle_of_an_answer_does_not_tell_its_message(serving, monkeypatch, caplog, when) -> None:
    caplog.set_level(logging.DEBUG)

    async def fail(send, status, *rest: object) -> None:
        if when == "after" and status == 200:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        if status == 200:
            raise RuntimeError("planted")
        await true(send, status, *rest)

    from recloop.service import application

    true = application._respond
    monkeypatch.setattr("recloop.service.application._respond", fail)
    with serving() as (client, _):
        if when == "before":
            assert client.get("/health/live").status_code == 500
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                client.get("/health/live")
    assert "RuntimeError in request" in caplog.text
    assert "planted" not in caplog.text
