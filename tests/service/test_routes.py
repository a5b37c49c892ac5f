"""What each route does, over real HTTP."""

import time

import httpx


def test_a_slate_is_a_decision_on_disk(service) -> None:
    client, store = service
    told = client.post("/v1/recommend", json={"user": "u1", "k": 4, "surface": "home"}).json()
    (kept,) = store.decisions().to_dicts()
    assert kept["id"] == told["decision"]
    assert kept["items"] == [item["item"] for item in told["items"]]
    assert kept["scores"] == [item["score"] for item in told["items"]]
    assert (kept["user"], kept["surface"], kept["policy"], kept["release"]) == ("u1", "home", "blend", "one")
    assert len(set(kept["items"])) == 4
    assert kept["propensity"] == 1.0
    assert 0 < kept["latency"] < 5


def test_an_event_changes_the_next_slate(service) -> None:
    client, _ = service
    wish = {"user": "new", "k": 3}
    before = client.post("/v1/recommend", json=wish).json()
    first = before["items"][0]["item"]
    event = {"user": "new", "item": first, "kind": "click", "decision": before["decision"]}
    assert client.post("/v1/events", json={"events": [event]}).status_code == 202
    after = client.post("/v1/recommend", json=wish).json()
    assert first not in [item["item"] for item in after["items"]]


def test_what_the_caller_sends_counts_with_what_the_store_knows(service) -> None:
    client, _ = service
    client.post("/v1/events", json={"events": [{"user": "u", "item": "i1", "kind": "view", "id": "e1"}]})
    sent = [{"item": "i1", "id": "e1"}, {"item": "i2"}]
    for wish in ({"user": "u", "history": sent}, {"history": sent}):
        shown = [item["item"] for item in client.post("/v1/recommend", json={**wish, "k": 40}).json()["items"]]
        assert not {"i1", "i2"} & set(shown)
        assert len(shown) > 20


def test_unknown_users_and_items_are_answered(service) -> None:
    client, store = service
    assert len(client.post("/v1/recommend", json={"user": "nobody", "k": 5}).json()["items"]) == 5
    wish = {"k": 5, "candidates": ["i1", "i2", "never-seen"], "exclude": ["i2", "never-seen-either"]}
    assert [item["item"] for item in client.post("/v1/recommend", json=wish).json()["items"]] == ["i1"]
    answer = client.post("/v1/events", json={"events": [{"user": "nobody", "item": "never-seen", "kind": "view"}]})
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert store.events()["item"].to_list() == ["never-seen"]


def test_more_than_the_catalogue_holds(service) -> None:
    client, _ = service
    shown = [item["item"] for item in client.post("/v1/recommend", json={"k": 1000}).json()["items"]]
    assert 20 < len(shown) == len(set(shown)) <= 40


def test_an_empty_slate_is_an_answer_and_is_counted(service) -> None:
    client, _ = service
    assert client.post("/v1/recommend", json={"candidates": []}).json()["items"] == []
    assert client.post("/v1/recommend", json={"candidates": ["never-seen"]}).json()["items"] == []
    assert "recloop_empty_slates_total 2.0" in client.get("/metrics").text


def test_a_policy_that_fails_is_stood_in_for(service, monkeypatch) -> None:
    client, store = service

    def fail(*_: object) -> None:
        raise FloatingPointError

    monkeypatch.setattr("recloop.strategies.item_knn.ItemKNN._score", fail)
    monkeypatch.setattr("recloop.strategies.item_knn.ItemKNN._rank_block", fail)
    told = client.post("/v1/recommend", json={"user": "u1"}).json()
    assert told["fallback"] == "popular"
    assert len(told["items"]) == 10
    assert store.decisions()["fallback"].to_list() == ["popular"]
    assert 'recloop_fallbacks_total{policy="blend"} 1.0' in client.get("/metrics").text


def test_an_explanation_names_what_moved_each_item(service) -> None:
    client, store = service
    seen = [{"item": f"i{n}"} for n in (3, 5, 8)]
    wish = {"user": "new", "k": 5, "history": seen}
    plain = client.post("/v1/recommend", json=wish).json()["items"]
    told = client.post("/v1/recommend", json={**wish, "explain": True}).json()["items"]
    assert [item["item"] for item in told] == [item["item"] for item in plain]
    assert not any("because" in item for item in plain)
    moved = [item for item in told if item.get("because")]
    assert moved
    for item in moved:
        assert set(item["because"]) <= {"i3", "i5", "i8"}
        assert item["reason"].startswith(f"because of {item['because'][0]}")
    assert {item["reason"] for item in told} - {item["reason"] for item in moved} <= {
        "chosen from your history",
        "popular with others",
    }
    nobody = client.post("/v1/recommend", json={"k": 3, "explain": True}).json()["items"]
    assert {item["reason"] for item in nobody} <= {"popular with others", "chosen without a history"}
    assert store.decisions().height == 3


def test_a_sentence_steers_the_slate(service) -> None:
    client, _ = service
    wish = {"user": "u1", "k": 40, "steer": "no horror, from the nineties"}
    told = client.post("/v1/recommend", json=wish).json()
    assert told["steer"] == ["never: horror", "year 1990 to 1999"]
    shown = {int(item["item"][1:]) for item in told["items"]}
    assert shown and shown <= {n for n in range(10, 20) if n % 4}
    assert told["fallback"] == ""
    plain = client.post("/v1/recommend", json={"user": "u1", "k": 40}).json()
    assert plain["steer"] == [] and {int(item["item"][1:]) for item in plain["items"]} > shown


def test_a_sentence_that_cannot_be_followed_is_told_and_not_covered_up(service) -> None:
    client, store = service
    answer = client.post("/v1/recommend", json={"user": "u1", "steer": "something funny"})
    assert answer.status_code == 422
    assert "nothing says which items are like 'funny'" in answer.json()["detail"]
    assert store.decisions().is_empty()
    too_much = client.post("/v1/recommend", json={"steer": "drama", "strength": 2})
    assert too_much.status_code == 422 and "strength" in too_much.json()["detail"]
    assert client.post("/v1/recommend", json={"steer": "x" * 501}).status_code == 422


def test_a_batch_is_accepted_in_part(service) -> None:
    client, store = service
    good = {"user": "u", "item": "i1", "kind": "click", "id": "e1", "value": 2.5, "time": 7.0}
    batch = [
        good,
        {"user": "u", "item": "i1", "kind": "click", "tme": 3},
        {"user": "u", "item": "", "kind": "click"},
        {"user": "u", "item": "i2", "kind": "click", "time": time.time() * 1000},
        {"user": "u", "item": "i2", "kind": "click", "time": -1},
        "click",
        good,
        {"user": "u", "item": "i3", "kind": "click", "id": "e2"},
    ]
    answer = client.post("/v1/events", json={"events": batch})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["duplicates"]) == (2, 1)
    assert [one["index"] for one in told["rejected"]] == [1, 2, 3, 4, 5]
    sentences = [one["detail"] for one in told["rejected"]]
    assert sentences[0].startswith("the event has an unknown field 'tme'. Did you mean 'time'?")
    assert sentences[1] == "'item' of the event is \"\". It must be a text with a length of at least 1."
    assert sentences[2].endswith("is more than a day ahead; it looks like milliseconds: divide it by 1000.")
    assert sentences[3] == "The time -1.0 is before 1970; send seconds since then, or no time."
    assert sentences[4] == 'the event is "click". It must be an object.'
    assert store.events()["id"].to_list() == ["e1", "e2"]
    text = client.get("/metrics").text
    for outcome, number in (("accepted", 2), ("duplicate", 1), ("rejected", 5)):
        assert f'recloop_events_total{{outcome="{outcome}"}} {number}.0' in text
    nothing = client.post("/v1/events", json={"events": [{"user": "u"}, {}]})
    assert nothing.status_code == 422
    assert [one["index"] for one in nothing.json()["rejected"]] == [0, 1]


def test_the_same_event_counts_once_however_often_it_is_sent(service) -> None:
    client, store = service
    batch = {"events": [{"user": "u", "item": f"i{n}", "kind": "view", "id": f"e{n}"} for n in range(100)]}
    answers = [client.post("/v1/events", json=batch).json() for _ in range(3)]
    assert [(one["accepted"], one["duplicates"]) for one in answers] == [(100, 0), (0, 100), (0, 100)]
    assert store.counts()["events"] == 100


def test_feedback(service) -> None:
    client, store = service
    said = [
        {"user": "u", "kind": "rating", "value": 4, "item": "i1", "id": "f1"},
        {"user": "u", "kind": "comment", "text": "too dark"},
        {"user": "u", "kind": "survey", "value": 1, "decision": "d1"},
    ]
    for one in said:
        answer = client.post("/v1/feedback", json=one)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0})
    assert client.post("/v1/feedback", json=said[0]).json() == {"accepted": 0, "duplicates": 1}
    for wrong, sentence in (
        ({"user": "u", "kind": "rating"}, "Feedback of the kind 'rating' needs a value."),
        ({"user": "u", "kind": "comment", "text": " "}, "A comment needs a text."),
        (
            {"user": "u", "kind": "shout"},
            "'kind' of the body is 'shout'. Valid: comment, helpful, rating, survey, thumbs.",
        ),
    ):
        answer = client.post("/v1/feedback", json=wrong)
        assert (answer.status_code, answer.json()["detail"]) == (422, sentence)
    assert store.feedback()["kind"].to_list() == ["rating", "comment", "survey"]


def test_the_life_of_an_experiment(service) -> None:
    client, store = service
    variants = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}
    definition = {"name": "home", "variants": variants, "minimum_users": 5, "planned_users": 40}
    made = client.post("/v1/experiments", json=definition)
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    assert client.post("/v1/experiments", json=definition).status_code == 409
    wrong = client.post("/v1/experiments", json={**definition, "primry": "ctr"})
    assert "has no setting 'primry'. Did you mean 'primary'?" in wrong.json()["detail"]
    empty = client.get("/v1/experiments/home/readout").json()
    assert empty["verdict"] == "keep_running"
    assert client.post("/v1/recommend", json={"user": "u1"}).json()["variant"] == ""
    assert client.post("/v1/experiments/home/start").json()["state"] == "running"
    assert client.post("/v1/experiments/home/start").status_code == 409

    seen = {}
    for number in range(40):
        told = client.post("/v1/recommend", json={"user": f"v{number}", "k": 3}).json()
        again = client.post("/v1/recommend", json={"user": f"v{number}", "k": 3}).json()
        assert told["experiment"] == "home"
        assert told["variant"] == again["variant"]
        assert told["policy"] == variants[told["variant"]]["policy"]
        seen[f"v{number}"] = told["variant"]
        item = told["items"][0]["item"]
        click = {"user": f"v{number}", "item": item, "kind": "click", "decision": told["decision"]}
        if told["variant"] == "b" or number % 4 == 0:
            client.post("/v1/events", json={"events": [click]})
    assert client.post("/v1/recommend", json={}).json()["experiment"] == ""  # an anonymous user cannot be held to one
    assert set(seen.values()) == {"a", "b"}
    told = client.get("/v1/experiments/home/readout").json()
    counts = {name: list(seen.values()).count(name) for name in ("a", "b")}
    assert told["readout"]["users"] == counts
    assert told["sentence"]
    other = {"name": "other", "variants": variants}
    client.post("/v1/experiments", json=other)
    refused = client.post("/v1/experiments/other/start")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        (
            "layer 'default' has no room for the 1 that 'other' wants: 'home' takes 0 to 1; "
            "experiments of one layer never share a unit; stop 'home' first."
        ),
    )
    assert client.post("/v1/experiments/home/stop").json()["state"] == "stopped"
    assert client.post("/v1/recommend", json={"user": "v1"}).json()["variant"] == ""
    names = [(one["name"], one["state"]) for one in client.get("/v1/experiments").json()["experiments"]]
    assert names == [("home", "stopped"), ("other", "draft")]
    assert store.decisions(experiment="home").height == 80


def test_an_experiment_with_a_policy_that_the_release_lacks(service) -> None:
    client, _ = service
    variants = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blnd"}}
    client.post("/v1/experiments", json={"name": "home", "variants": variants})
    refused = client.post("/v1/experiments/home/start")
    assert refused.status_code == 422
    assert "variant 'b' wants the policy 'blnd', which release 'one' lacks" in refused.json()["detail"]
    assert "Did you mean 'blend'?" in refused.json()["detail"]


def test_requests_carry_an_id(service) -> None:
    client, _ = service
    assert client.get("/health/live", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    made = client.get("/health/live", headers={"x-request-id": "not one" * 20}).headers["x-request-id"]
    assert len(made) == 28


def test_figures(service) -> None:
    client, _ = service
    client.post("/v1/recommend", json={})
    client.get("/nothing/user-4711")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'recloop_requests_total{method="POST",route="/v1/recommend",status="200"} 1.0' in answer.text
    assert 'recloop_request_seconds_count{method="POST",route="/v1/recommend"} 1.0' in answer.text
    assert 'recloop_requests_total{method="ANY",route="unmatched",status="404"} 1.0' in answer.text
    assert "4711" not in answer.text
    assert "recloop_store_pending_rows 0.0" in answer.text


def test_health(service) -> None:
    client: httpx.Client = service[0]
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "release": "one"}
    assert client.head("/health/live").status_code == 200


def test_an_id_that_is_known_changes_no_history(service) -> None:
    """What comes under it may be something else than what the store holds: it is not believed."""
    client, store = service
    shown = [entry["item"] for entry in client.post("/v1/recommend", json={"user": "bob", "k": 40}).json()["items"]]
    first = {"user": "ann", "item": shown[0], "kind": "view", "id": "e1"}
    assert client.post("/v1/events", json={"events": [first]}).json()["accepted"] == 1
    answer = client.post("/v1/events", json={"events": [first | {"user": "bob"}]})
    assert answer.json()["duplicates"] == 1
    assert store.histories(["bob"], 9)[0] == []
    again = client.post("/v1/recommend", json={"user": "bob", "k": 40}).json()["items"]
    assert shown[0] in [entry["item"] for entry in again]
