"""The page of ``recloop ux scorecard``: the sentence, the lights, groups of users, kinds of items, the log."""

import math
from typing import Any

from markupsafe import Markup

from recloop.experience.result import UserExperience
from recloop.experience.terminal import lift_of
from recloop.experiments.words import lift
from recloop.report.page import render

TONES = {"better": "good", "worse": "bad", "open": "quiet", "missing": "quiet"}
HEALTH = {"green": "ok", "yellow": "warning", "red": "error", "missing": ""}
HELD = {"held": "good", "breached": "bad", "unclear": "quiet", "": ""}
MOST = 6
"""Pictures of groups: the widest gaps that are beyond doubt come first."""


def experience_page(found: UserExperience, now: float) -> str:
    """The page as text, one self-contained file.

    Args:
        found: what users went through.
        now: seconds since 1970.
    """
    values = {"title": f"What users went through under {found.treatment}", "whole": experience_section(found)}
    return render("experience.html", values, kind="scorecard", now=now, simulation=found.simulation)


def experience_section(found: UserExperience) -> dict[str, Any]:
    """What the template shows of it: also a section of the report on an experiment."""
    return {
        "sentence": found.sentence,
        "tone": "bad" if found.health.light == "red" or found.breached else "quiet",
        "users": [{"value": f"{count:,}", "label": f"users, {name}"} for name, count in found.users.items()],
        "matrix": _svg(found.matrix()),
        "columns": [found.treatment, *(f"against {name}" for name in found.controls)],
        "families": _families(found),
        "unsent": [one.title for one in found.values if math.isnan(one.value)],
        "gaps": _gaps(found),
        "pictures": _pictures(found),
        "providers": [_kinds(found, one.column) for one in found.providers],
        "population": [
            {"title": row.title, "unit": row.unit, "value": f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})",
             "change": f"{lift_of(row)} against {row.control}" if row.effect else row.reason}
            for row in found.population if not math.isnan(row.value)
        ],
        "trust": found.trust.sentence if found.trust else "",
        "health": [
            {"tone": HEALTH[row.light], "word": row.light, "sentence": row.sentence} for row in found.health.rows
        ],
        "notes": found.notes,
    }  # fmt: skip


def _svg(text: str) -> Markup:
    return Markup(text)  # noqa: S704 -- our own pictures, escaped where they were made


def _families(found: UserExperience) -> list[dict[str, Any]]:
    families: dict[str, list[dict[str, Any]]] = {}
    for one in found.values:
        if math.isnan(one.value):
            continue
        metric = found.metrics[one.metric]
        cells = [
            {"text": metric.say(one.value), "small": f"{metric.say(one.low)} to {metric.say(one.high)}", "tone": ""}
        ]
        for control in found.controls:
            assert found.scorecard is not None
            row = found.scorecard.row(one.metric, control)
            change = lift(metric, row.effect) if row.effect else row.reason
            word = row.light if row.light != "missing" else "–"
            cells.append({"text": word, "small": change, "tone": TONES[row.light]})
        families.setdefault(one.family, []).append({"title": one.title, "unit": metric.unit, "cells": cells})
    return [{"name": name, "rows": rows} for name, rows in families.items()]


def _gaps(found: UserExperience) -> list[dict[str, Any]]:
    """The sentences on groups that are beyond doubt, and on treatments that do not do the same to all."""
    if found.fairness is None:
        return []
    said = []
    for row in found.fairness.rows:
        if row.gap_light == "apart":
            said.append({"tone": "warning", "word": "gap", "sentence": row.sentence})
        if any(one.held == "breached" for one in row.groups):
            said.append({"tone": "error", "word": "worse", "sentence": row.lift_sentence})
        elif row.lift_p_adjusted < found.fairness.alpha:
            said.append({"tone": "warning", "word": "uneven", "sentence": row.lift_sentence})
    said.sort(key=lambda line: line["tone"] != "error")
    return said or [{"tone": "ok", "word": "even", "sentence": "No gap between groups of users is beyond doubt."}]


def _pictures(found: UserExperience) -> list[dict[str, Any]]:
    if found.fairness is None:
        return []
    rows = [row for row in found.fairness.rows if row.groups and len(row.groups) <= 12]
    rows.sort(key=lambda row: (row.gap_light != "apart", "×" in row.attribute, row.p_adjusted))
    return [
        {
            "svg": _svg(found.groups(row.attribute, row.metric)),
            "caption": f"{row.title} by {row.attribute}, with 95% intervals over users."
            if found.fairness.alpha == 0.05
            else f"{row.title} by {row.attribute}, with {1 - found.fairness.alpha:.0%} intervals over users.",
        }
        for row in rows[:MOST]
    ]


def _kinds(found: UserExperience, column: str) -> dict[str, Any]:
    kinds = next(one for one in found.providers if one.column == column)
    rows = [
        {
            "name": one.name,
            "items": f"{one.items:,}",
            "ratio": "–" if math.isnan(one.ratio) else f"{one.ratio:.2f} ({one.ratio_low:.2f} to {one.ratio_high:.2f})",
            "tone": "bad" if one.light == "too little" else "",
            "opportunity": f"{one.opportunity.estimate:.0%}" if one.opportunity else "–",
            "starved": f"{one.starved:,} of {one.with_merit:,}",
        }
        for one in kinds.providers
    ]
    far = f"NDKL {kinds.ndkl.estimate:.3f} ({kinds.ndkl.low:.3f} to {kinds.ndkl.high:.3f}; 0 is as users choose)"
    tail = f"The long tail has {kinds.long_tail.estimate:.0%} of exposure and {kinds.long_tail_merit:.0%} of merit"
    return {
        "column": column,
        "svg": _svg(found.exposure(column)),
        "sentence": kinds.sentence,
        "note": f"{far}. {tail}.",
        "rows": rows,
    }
