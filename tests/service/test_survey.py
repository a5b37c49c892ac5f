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
