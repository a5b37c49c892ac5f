"""The bars end with the work, however it ends, and notes are told letter for letter."""

import pytest

from recloop.cli.console import BarProgress


def test_ctrl_c_while_a_bar_is_being_made_stops_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = BarProgress()
    bars = progress._bars

    def interrupted(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        with progress.task("outer", total=2):
            monkeypatch.setattr(bars, "add_task", interrupted)
            with progress.task("inner"):
                pass

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not bars.live.is_started


def test_bars_inside_bars_share_one_display() -> None:
    progress = BarProgress()
    with progress.task("outer", total=1) as advance:
        with progress.task("inner"):
            assert progress._bars.live.is_started
        assert progress._bars.live.is_started
        advance(1)
    assert not progress._bars.live.is_started
    assert progress._bars.task_ids == []


def test_brackets_in_a_note_are_letters(capsys: pytest.CaptureFixture[str]) -> None:
    BarProgress().note("see [data.vectors]; pip install 'recloop[lm]'")
    assert "see [data.vectors]; pip install 'recloop[lm]'" in capsys.readouterr().err
