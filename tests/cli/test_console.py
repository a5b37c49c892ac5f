"""The bars end with the work, however it ends, and notes are told letter for letter; without a terminal lines come."""

import threading

import pytest

from recloop.cli.console import BarProgress, LineProgress, progress_for
from recloop.progress import SILENT


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


def test_without_a_terminal_work_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    progress = progress_for(as_json=False)
    assert isinstance(progress, LineProgress)
    assert progress_for(as_json=True) is SILENT
    with progress.task("Train", total=2) as advance:
        advance(1)
        with progress.task("ease"):
            pass
        progress.note("see [data.vectors]")
        advance(1)
    assert capsys.readouterr().err.splitlines() == ["Train ...", "  see [data.vectors]", "Train 2 of 2, done after 0 s"]


def test_long_work_is_told_while_it_lasts_with_what_it_is_at(capsys: pytest.CaptureFixture[str]) -> None:
    progress, told, lines = LineProgress(every=0.01), threading.Event(), []
    printed = progress._print

    def heard(text: str) -> None:
        printed(text)
        lines.append(text)
        if "of 9" in text:
            told.set()

    progress._print = heard  # type: ignore[method-assign]
    with progress.task("Train", total=2) as advance:
        advance(1)
        with progress.task("encode", total=9) as within:
            within(4)
            assert told.wait(timeout=30)
    assert "Train 1 of 2, encode 4 of 9, 0 s" in lines
    assert capsys.readouterr().err.startswith("Train ...\n")


def test_lines_end_with_the_work_however_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress(every=0.01)
    with pytest.raises(KeyboardInterrupt), progress.task("Train", total=2), progress.task("ease"):
        raise KeyboardInterrupt
    (teller,) = [thread for thread in threading.enumerate() if thread.name == "progress"] or [threading.Thread()]
    if teller.ident is not None:
        teller.join(timeout=30)
    assert not teller.is_alive()
    assert "done" not in capsys.readouterr().err
