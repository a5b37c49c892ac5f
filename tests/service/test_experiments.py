"""Designs over HTTP: layers, testers, sessions, ramps and versions."""

import httpx
import pytest

from recloop.app.decision import decide_experiment
from recloop.service.server import RAMP

VARIANTS = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}


def begin(client: httpx.Client, name: str, **settings: object) -> None:
    definition = {"name": name, "variants": VARIANTS, **settings}
    assert client.post("/v1/experiments", json=definition).status_code == 201
    answer = client.post(f"/v1/experiments/{name}/start")
    assert answer.status_code == 200, answer.text


def told(client: httpx.Client, **wish: object) -> dict[str, object]:
    answer = client.post("/v1/recommend", json=wish)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["detail"]


def test_several_at_once(service) -> None:
    client, _ = service
    begin(client, "front", layer="front", surfaces=["home"])
    begin(client, "cart", layer="cart", surfaces=["cart"], unit="session")
    assert told(client, user="u1", surface="home")["experiment"] == "front"
    assert told(client, user="u1", surface="cart")["experiment"] == ""
    assert told(client, surface="cart", session="v1")["experiment"] == "cart"
    assert told(client, user="u1")["experiment"] == ""
    client.post("/v1/experiments", json={"name": "all", "variants": VARIANTS})
    detail = refused(client.post("/v1/experiments/all/start"), 409)
    assert "'all' of layer 'default' runs on every surface, and 'front' of layer 'front' on 'home'" in detail


def test_targeting_by_what_is_sent(service) -> None:
    client, _ = service
    begin(client, "t", targeting=[{"attribute": "profile.country", "in": ["de"]}])
    assert told(client, user="u1", profile={"country": "de"})["experiment"] == "t"
    assert told(client, user="u1", profile={"country": "fr"})["experiment"] == ""
    assert told(client, user="u1")["experiment"] == ""


def test_nothing_is_shown_under_none(service) -> None:
    client, store = service
    nothing = {"none": {"policy": "none", "control": True}, "b": {"policy": "blend"}}
    begin(client, "t", variants=nothing, primary="orders_per_user")
    slates = [told(client, user=f"u{n}", k=3) for n in range(20)]
    empty = [one for one in slates if one["variant"] == "none"]
    assert empty
    assert all(one["items"] == [] and one["fallback"] == "" and one["policy"] == "none" for one in empty)
    assert store.decisions(experiment="t").height == 20
    assert "recloop_empty_slates_total 0.0" in client.get("/metrics").text  # they are empty on purpose


def test_a_tester_asks_for_a_variant(service) -> None:
    client, store = service
    begin(client, "t")
    for variant in VARIANTS:
        found = told(client, user="tester", force={"t": variant})
        assert (found["variant"], found["forced"]) == (variant, True)
    assert told(client, user="u1")["forced"] is False
    assert store.decisions(experiment="t")["forced"].to_list() == [True, True, False]
    for force, message in (
        ({"tt": "a"}, "no experiment 'tt' runs. Did you mean 't'?"),
        ({"t": "c"}, "experiment 't' has no variant 'c'. Valid: a, b."),
    ):
        assert message in refused(client.post("/v1/recommend", json={"user": "x", "force": force}), 422)
    checks = client.get("/v1/experiments/t/readout").json()["readout"]["checks"]
    assert "1 users were given a variant by hand and are left out." in [one["sentence"] for one in checks]


def test_only_keys_of_testers_may_ask(serving) -> None:
    with serving(keys=True) as (client, store):
        shop, tester = (
            {"Authorization": f"Bearer {store.keys.create(name, scopes)}"}
            for name, scopes in (("shop", ["recommend"]), ("tester", ["recommend", "experiments"]))
        )
        client.post("/v1/experiments", json={"name": "t", "variants": VARIANTS}, headers=tester)
        client.post("/v1/experiments/t/start", headers=tester)
        wish = {"user": "u1", "force": {"t": "b"}}
        assert "the key 'shop' lacks the scope 'experiments'" in refused(
            client.post("/v1/recommend", json=wish, headers=shop), 403
        )
        assert client.post("/v1/recommend", json={"user": "u1"}, headers=shop).status_code == 200
        assert client.post("/v1/recommend", json=wish, headers=tester).json()["variant"] == "b"


def test_versions(service) -> None:
    client, store = service
    begin(client, "t")
    made = client.post("/v1/experiments/t/revise", json={"changes": {"alpha": 0.01}})
    assert (made.status_code, made.json()["name"], made.json()["state"]) == (201, "t.2", "draft")
    assert made.json()["definition"]["alpha"] == 0.01
    assert "version 1 of 't' runs" in refused(client.post("/v1/experiments/t.2/start"), 409)
    line = store.audit.lines(1)[0]
    assert (line.action, line.subject, line.detail) == ("revise experiment", "t.2", "of t: alpha 0.05 -> 0.01")
    for body, message in (
        ({"changes": {}}, "'changes' of the body is an object"),
        ({"changes": {"alfa": 1}}, "Did you mean 'alpha'?"),
        ({"change": {}}, "Did you mean 'changes'?"),
        ({"changes": {"alpha": 0.01}}, "nothing of 't.2' changes"),
    ):
        assert message in refused(client.post("/v1/experiments/t/revise", json=body), 422)
    assert "no experiment 'u'" in refused(
        client.post("/v1/experiments/u/revise", json={"changes": {"alpha": 0.1}}), 404
    )


def test_a_ramp(service) -> None:
    client, _ = service
    begin(client, "t", ramp=[{"share": 0.1, "hours": 1}, {"share": 0.5}])
    inside = [told(client, user=f"u{n}", k=1)["experiment"] for n in range(200)].count("t")
    assert 5 < inside < 40
    moved = client.post("/v1/experiments/t/step").json()
    assert (moved["move"], moved["share"]) == ("stay", 0.1)
    assert moved["due"] > 1.7e9
    assert client.get("/v1/experiments").json()["experiments"][0]["step"] == 0
    client.post("/v1/experiments/t/stop")
    assert "only one that runs has a ramp" in refused(client.post("/v1/experiments/t/step"), 409)
    assert RAMP >= 10  # seconds: reading experiments out must not keep the service busy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ramp": [{"share": 0.5, "hours": 1}, {"share": 0.1}]}, "a ramp only widens"),
        ({"targeting": [{"attribute": "country"}]}, "it is profile.NAME or context.NAME"),
        ({"starts": "tomorrow"}, "It must be a date with its time and zone"),
        ({"holdout": {"share": 2}}, "the holdout is 2.0"),
    ],
)
def test_what_is_refused(service, change: dict[str, object], message: str) -> None:
    client, _ = service
    body = {"name": "t", "variants": VARIANTS, **change}
    assert message in refused(client.post("/v1/experiments", json=body), 422)


def test_the_log_of_decisions(service) -> None:
    client, store = service
    begin(client, "t")
    assert client.get("/v1/experiments/t/log").json() == {"decisions": []}
    done = decide_experiment(store, "t", 5.0, actor="ann")
    (entry,) = client.get("/v1/experiments/t/log").json()["decisions"]
    assert (entry["actor"], entry["verdict"], entry["data"]) == ("ann", "keep_running", done.entry.data)
    assert client.get("/v1/experiments/t/readout").json()["paragraph"].startswith("Keep running.")
    assert "no experiment 'x'" in refused(client.get("/v1/experiments/x/log"), 404)


def test_the_holdout_over_http(serving) -> None:
    with serving() as (client, _):
        client.post("/v1/experiments", json={"name": "t", "variants": VARIANTS, "holdout": {"share": 0.3}})
        client.post("/v1/experiments/t/start")
        for n in range(20):
            client.post("/v1/recommend", json={"user": f"u{n}"})
        found = client.get("/v1/experiments/t/holdout").json()
        assert found["sentence"].startswith("Too early to say anything: held-out has ")
        assert sum(found["holdout"]["readout"]["users"].values()) == 20
        client.post("/v1/experiments", json={"name": "plain", "variants": VARIANTS})
        assert "'plain' holds nobody out" in refused(client.get("/v1/experiments/plain/holdout"), 422)
