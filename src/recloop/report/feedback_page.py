"""The page of ``recloop ux feedback``."""

from collections.abc import Mapping
from typing import Any

from recloop.experience.reading import Comparison, Reading, Shift, Theme
from recloop.report.page import render


def feedback_page(reading: Reading, now: float) -> str:
    """What users say, as one HTML file. Their words are escaped like all text.

    Args:
        reading: from ``read_comments``.
        now: seconds since 1970.
    """
    values = {
        "title": "What users say",
        "reading": reading,
        "tiles": _tiles(reading),
        "themes": [_theme(one) for one in reading.themes],
        "aspects": [_theme(one) for one in reading.aspects],
        "comparisons": [
            _comparison(one, {theme.name: _tone(theme) for theme in reading.themes}) for one in reading.comparisons
        ],
    }
    return render("feedback.html", values, kind="feedback", now=now, simulation=reading.simulation)


def _tiles(reading: Reading) -> list[dict[str, str]]:
    mood = reading.mood
    told = [(f"{reading.users:,}", "users wrote"), (f"{reading.texts:,}", "comments read")]
    if mood is not None:
        told.append((f"{mood.mean:+.2f}", f"mood, from -1 to 1 (95%: {mood.low:+.2f} to {mood.high:+.2f})"))
    told.append((f"{reading.unassigned:.0%}", "of the comments in no theme"))
    return [{"value": value, "label": label} for value, label in told]


def _tone(one: Theme) -> str:
    """Whether its users are clearly glad or sad."""
    mood = one.mood
    return "quiet" if mood is None else "bad" if mood.high < 0 else "good" if mood.low > 0 else "quiet"


def _theme(one: Theme) -> dict[str, Any]:
    by = {"people": "named by people", "model": "named by a language model"}.get(one.named_by, "")
    return {
        "name": one.name,
        "by": by,
        "users": f"{one.users:,}",
        "share": f"{one.share:.0%}",
        "mood": "–" if one.mood is None else f"{one.mood.mean:+.2f}",
        "tone": _tone(one),
        "keywords": ", ".join(one.keywords),
        "summary": " ".join(one.summary),
        "examples": one.examples,
    }


def _comparison(one: Comparison, tones: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": f"{one.ours} against {one.theirs}",
        "users": f"{one.users[0]:,} and {one.users[1]:,} {one.of}",
        "words": ", ".join(one.words),
        "less": ", ".join(one.less),
        "shifts": [_shift(shift, tones.get(shift.theme, "quiet")) for shift in one.shifts],
    }


def _shift(shift: Shift, tone: str) -> dict[str, str]:
    """More of what users are sad about is worse, and so is less of what they are glad about."""
    if not shift.clear:
        return {"sentence": shift.sentence, "word": "", "tone": "quiet"}
    more = shift.effect.estimate > 0
    turned = {"good": "bad", "bad": "good"}.get(tone, tone)
    return {"sentence": shift.sentence, "word": "more" if more else "less", "tone": tone if more else turned}
