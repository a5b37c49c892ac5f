"""A survey over HTTP: asked in the answer of a slate, answered as feedback."""

from collections.abc import Callable
from pathlib import Path


def test_a_question_comes_with_the_slate_and_its_answer_is_kept(serving: Callable[..., object], tmp_path: Path) -> None:
    file = tmp_path / "survey.toml"
    file.write_text('[survey]\nquestion = "Good?"\nrate = 1\ncooldown = 1\nsurfaces = ["home"]\n')
    with serving(survey=file) as (client, store):
        told = client.post("/v1/recommend", json={"user": "ann", "surface": "home"}).json()
        assert told["survey"] == {
            "instrument": "satisfaction", "question": "Good?", "low": 1, "high": 5, "labels": ["not at all", "very"]
        }  # fmt: skip
        for other in ({"user": "ann", "surface": "mail"}, {"surface": "home"}):
            assert "survey" not in client.post("/v1/recommend", json=other).json()
        said = {"user": "ann", "kind": "survey", "value": 4, "decision": told["decision"]}
        assert client.post("/v1/feedback", json=said).status_code == 202
        (kept,) = store.feedback().to_dicts()
        assert (kept["kind"], kept["value"], kept["decision"]) == ("survey", 4, told["decision"])
        asked = store.decisions()["details"].to_list()
    assert [text != "" for text in asked] == [True, False, False]


def test_without_a_survey_nothing_is_asked(service: tuple) -> None:
    client, _ = service
    assert "survey" not in client.post("/v1/recommend", json={"user": "ann"}).json()


def test_thumbs_and_votes_on_reasons_are_kept(service: tuple) -> None:
    client, store = service
    told = client.post("/v1/recommend", json={"user": "ann"}).json()
    for kind, value in (("thumbs", -1), ("helpful", 1)):
        said = {"user": "ann", "kind": kind, "value": value, "item": told["items"][0]["item"]}
        assert client.post("/v1/feedback", json={**said, "decision": told["decision"]}).status_code == 202
    assert store.feedback()["kind"].sort().to_list() == ["helpful", "thumbs"]
    refused = client.post("/v1/feedback", json={"user": "ann", "kind": "thumbs"})
    assert (refused.status_code, refused.json()["detail"]) == (422, "Feedback of the kind 'thumbs' needs a value.")
