"""The route of the problem finder."""


def test_a_store_without_slates_says_so(service) -> None:
    client, _ = service
    told = client.post("/v1/ux/problems", json={})
    assert told.status_code == 404
    assert "the store holds no slates of that time" in told.text


def test_slates_are_read(service) -> None:
    client, _ = service
    for n in range(12):
        client.post("/v1/recommend", json={"user": f"u{n}", "k": 3, "context": {"device": "web"}})
    told = client.post("/v1/ux/problems", json={"days": 7})
    assert told.status_code == 200
    found = told.json()
    assert (found["verdict"], found["slates"], found["findings"]) == ("keep_running", 12, [])
    assert "a change needs 5 before it" in found["sentence"]
    assert client.post("/v1/ux/problems", json={"days": 0}).status_code == 422
    assert client.post("/v1/ux/problems", json={"day": 7}).status_code == 422
    assert client.post("/v1/ux/problems", json={"experiment": "nowhere"}).status_code == 404
