import math
from typing import Any

from recloop.experience.scorecard import Scorecard, ScorecardRow
from recloop.experiments.words import lift, listed
from recloop.metrics.online import OUTCOMES

TONES = {"better": "good", "worse": "bad", "open": "quiet", "missing": "quiet"}
SIGNS = {"better": "▲ better", "worse": "▼ worse", "open": "≈ open", "missing": ""}


def experience(card: Scorecard) -> dict[str, Any]:
    """The section on what users went through: one row per metric, the treatment against each control."""
    metrics = list(dict.fromkeys(row.metric for row in card.rows))
    return {
        "sentence": (
            f"{card.treatment} against {listed(list(card.controls))}. The change has a {1 - card.alpha:.0%} interval "
            "over users; colours allow for the number of rows (Benjamini-Hochberg)."
        ),
        "columns": [card.treatment, *(f"against {name}" for name in card.controls)],
        "rows": [_row(card, metric) for metric in metrics],
    }


def _row(card: Scorecard, metric: str) -> dict[str, Any]:
    rows = [card.row(metric, control) for control in card.controls]
    own = rows[0].treatment_value
    return {
        "title": rows[0].title,
        "formula": OUTCOMES[metric].unit if metric in OUTCOMES else "",
        "cells": [
            {"text": OUTCOMES[metric].say(own) if not math.isnan(own) else "–", "small": "", "tone": ""},
            *(_cell(row) for row in rows),
        ],
    }


def _cell(row: ScorecardRow) -> dict[str, str]:
    if row.effect is None:
        return {"text": "–", "small": row.reason, "tone": "quiet"}
    metric = OUTCOMES[row.metric]
    return {
        "text": f"{metric.say(row.control_value)} {SIGNS[row.light]}".strip(),
        "small": lift(metric, row.effect),
        "tone": TONES[row.light],
    }
