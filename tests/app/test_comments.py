"""Comments are read where the language model is installed, and nothing is loaded before the first one."""

import subprocess
import sys

import pytest

from recloop.app import comments
from recloop.errors import ExtraError


def test_the_reader_tells_praise_from_complaint() -> None:
    reader = comments.comment_reader()
    if reader is None:
        pytest.skip("the language model is not installed")
    praise, complaint = reader(
        ["Lovely picks, exactly what I was looking for.", "Useless, the same boring things again."]
    )
    assert praise > 0 > complaint


def test_nothing_is_loaded_before_the_first_comment() -> None:
    code = "import sys; from recloop.app.comments import comment_reader; comment_reader(); print('openvino' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_without_the_extra_comments_stay_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(what: str) -> None:
        raise ExtraError.of(what, "text")

    monkeypatch.setattr(comments, "require_text_extra", missing)
    assert comments.comment_reader() is None
