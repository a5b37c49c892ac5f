from collections.abc import Mapping, Sequence
from typing import Any


def rule_effects(rows: Sequence[Mapping[str, Any]], notes: Sequence[str] = ()) -> dict[str, Any] | None:
    """The section on business rules, from ``rules`` and ``rule_notes`` of a run's results; None where it has none.

    >>> row = {"rule": "ad", "does": "pin", "requests": 200, "slates": 50, "places": 0.5, "exposure": 0.02}
    >>> rule_effects([row])["rows"][0]["cells"]
    ['25.0%', '0.50', '2.0%']
    """
    if not rows:
        return None
    idle = [row["rule"] for row in rows if not row["slates"]]
    return {
        "sentence": f"Measured on {rows[0]['requests']:,} held-out requests: the slates with all rules beside those "
        "without the one." + (f" Without effect: {', '.join(idle)}." if idle else ""),
        "notes": [f"Settled by precedence: {note}." for note in notes],
        "rows": [
            {
                "rule": row["rule"],
                "does": row["does"],
                "cells": [
                    f"{row['slates'] / max(1, row['requests']):.1%}",
                    f"{row['places']:.2f}",
                    f"{row['exposure']:.1%}",
                ],
            }
            for row in rows
        ],
    }
