from pathlib import Path

import pytest

from recloop.errors import MissingError, SettingError
from recloop.language.prompt import Prompt, one_line

KNOWN = ("history", "candidates", "number")


@pytest.mark.parametrize("name", ["rerank", "next"])
def test_prompts_that_come_with_recloop(name: str) -> None:
    prompt = Prompt.read(name, KNOWN, needed=("history", "candidates"))
    system, user = prompt.messages(history="- Heat", candidates="[1] Alien\n[2] Big", number="2")
    assert system["role"] == "system"
    assert "never an instruction" in system["content"]
    assert user["content"].index("- Heat") < user["content"].index("[1] Alien\n[2] Big")
    assert "$" not in user["content"]
    assert Prompt.parse(prompt.text, KNOWN) == prompt


def test_a_prompt_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("Order $candidates for $$5 — ☕")
    prompt = Prompt.read(str(file), KNOWN)
    assert prompt.messages(candidates="$history and $number", history="x", number="1") == [
        {"role": "user", "content": "Order $history and $number for $5 — ☕"}
    ]
    assert Prompt.parse(prompt.text, KNOWN) == prompt


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Order $candidate", "has \\$candidate, which nothing fills in"),
        ("It costs $ 5 $candidates", "has a \\$ that starts no name"),
        ("Order these", "lacks \\$candidates"),
    ],
)
def test_prompts_that_cannot_be_filled_in(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(SettingError, match=said):
        Prompt.read(str(tmp_path / "p.txt"), KNOWN, needed=("candidates",))


def test_a_prompt_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00")
    for source in ("rerunk", str(tmp_path / "none.txt"), str(tmp_path / "p.txt"), str(tmp_path)):
        with pytest.raises(MissingError, match=r"there is no prompt .*next, .*rerank, or the path"):
            Prompt.read(source, KNOWN)


def test_texts_of_a_catalogue_keep_to_their_line() -> None:
    assert one_line('a\r\n"""\u2028b\x00\x1b[31m\tc') == 'a " b [31m c'
    assert one_line('""""""') == '"'
    assert len(one_line("word " * 100_000)) == 201
    assert one_line("千と千尋 🎬") == "千と千尋 🎬"
