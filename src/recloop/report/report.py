"""The report of a run, with its experiment where there was one: verdict first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recloop.experience.problems import Problems
from recloop.experience.result import UserExperience
from recloop.experience.scorecard import Scorecard
from recloop.experiments.decide import Verdict
from recloop.experiments.definition import Experiment
from recloop.experiments.readout import Readout
from recloop.report.data import data
from recloop.report.experience import experience
from recloop.report.experience_page import experience_section
from recloop.report.leaderboard import leaderboard
from recloop.report.page import render
from recloop.report.rule_effects import rule_effects
from recloop.report.trial import trial


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment as it is reported: what was agreed on, what was read, what was decided, what users experienced."""

    experiment: Experiment
    readout: Readout
    verdict: Verdict
    scorecard: Scorecard | None = None
    experience: UserExperience | None = None
    problems: Problems | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether a verdict agrees with a world whose truth is known, in a sentence."""

    agrees: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The command that makes the same again, and what it hangs on as (label, value)."""

    command: str
    rows: Sequence[tuple[str, str]]


def report(
    *,
    title: str,
    results: Mapping[str, Any],
    check: Mapping[str, Any],
    reproduction: Reproduction,
    now: float,
    tested: Trial | None = None,
    truth: Truth | None = None,
    tiles: Sequence[tuple[str, str]] = (),
    simulation: bool = False,
) -> str:
    """The page as text, one self-contained file.

    Args:
        title: its headline.
        results: ``Evaluation.to_dict()``.
        check: ``Check.to_dict()``.
        reproduction: how to make it again.
        now: seconds since 1970.
        tested: the experiment, where there was one.
        truth: what the simulated world says to the verdict.
        tiles: (label, value) of a few numbers that stand below the verdict.
        simulation: whether users were simulated; the page then says so.
    """
    judged = leaderboard(results)
    if tested:
        verdict = {"tone": tested.verdict.verdict, "sentence": tested.verdict.sentence}
    else:  # then the leaderboard's sentence is the verdict, and stands once
        verdict = {
            "tone": "quiet",
            "sentence": f"{judged['sentence']} Held-out data only: try it on users before you believe it.",
        }
        judged["sentence"] = ""
    values = {
        "title": title,
        "verdict": verdict,
        "truth": truth,
        "tiles": [{"label": label, "value": value} for label, value in tiles],
        "experiment": trial(tested.experiment, tested.readout) if tested and not tested.readout.hidden else None,
        "scorecard": experience(tested.scorecard) if tested and tested.scorecard else None,
        "whole": experience_section(tested.experience) if tested and tested.experience else None,
        "problems": _problems(tested.problems) if tested and tested.problems else None,
        "leaderboard": judged,
        "rules": rule_effects(results.get("rules", ()), results.get("rule_notes", ())),
        "check": data(check),
        "reproduce": {
            "command": reproduction.command,
            "rows": [{"label": label, "value": value} for label, value in reproduction.rows],
        },
    }
    return render("report.html", values, kind="report", now=now, simulation=simulation)


def _problems(found: Problems) -> dict[str, Any]:
    """Where it hurts, sentence by sentence; the rest stands on the page of ``recloop ux problems``."""
    return {"sentence": found.sentence, "rows": [one.sentence for one in found.primary[1:]]}
