"""An interleaving test over HTTP."""

import httpx

from recloop.store import Store


def test_from_its_definition_to_its_readout(service: tuple[httpx.Client, Store]) -> None:
    client, _ = service
    definition = {"name": "mix", "design": "interleaving", "policies": ["popular", "random"], "minimum_users": 5}
    made = client.post("/v1/experiments", json=definition)
    assert made.status_code == 201, made.text
    assert made.json()["definition"]["method"] == "team-draft"
    assert client.post("/v1/experiments/mix/start").status_code == 200
    for user in range(30):
        answer = client.post("/v1/recommend", json={"user": f"v{user}", "k": 4}).json()
        assert (answer["experiment"], answer["variant"], len(answer["items"])) == ("mix", "interleaved", 4)
        top = next((one for one in answer["items"] if one["source"] == "popular"), answer["items"][0])
        event = {"user": f"v{user}", "item": top["item"], "kind": "click", "decision": answer["decision"]}
        assert client.post("/v1/events", json={"events": [event]}).status_code == 202
    told = client.get("/v1/experiments/mix/readout").json()
    assert (told["verdict"], told["treatment"]) == ("prefer", "popular")
    assert told["readout"]["users"] == 30
    assert told["sentence"].startswith("Prefer popular. It earned ")
    refused = client.post("/v1/experiments", json=definition | {"name": "other", "method": "balancd"})
    assert refused.status_code == 422
    assert "Did you mean 'balanced'?" in refused.json()["detail"]
