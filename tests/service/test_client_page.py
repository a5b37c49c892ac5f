"""The example of the page on clients runs against a real service."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "client.md"


def test_the_example_runs(service, capsys) -> None:
    client, store = service
    (example,) = re.findall(r"```py\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    exec(example.replace("http://127.0.0.1:8000", str(client.base_url).rstrip("/")), {})
    policy, item, accepted = capsys.readouterr().out.split()
    assert (policy, accepted) == ("blend", "1")
    assert store.events()["item"].to_list() == [item]
    assert store.counts() == {"events": 1, "decisions": 1, "feedback": 1}


def test_what_the_script_knows_is_told() -> None:
    script = (PAGE.parents[2] / "src/recloop/service/templates/recloop.js").read_text()
    page = PAGE.read_text()
    known = set(re.findall(r"said\.(\w+)", script)) | {"wait"}
    assert known == {"key", "user", "seconds", "viewSeconds", "viewShare", "wait"}
    for name in known:
        attribute = "data-" + re.sub("[A-Z]", lambda letter: "-" + letter[0].lower(), name)
        assert f"`{attribute}`" in page
    for name in ("track", "identify", "flush", "start", "stop"):
        assert f"recloop.{name}(" in page
