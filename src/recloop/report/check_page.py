from collections.abc import Mapping
from typing import Any

from recloop.report.data import data
from recloop.report.page import render

TONES = {"info": "good", "warning": "warn", "error": "bad"}


def check_page(check: Mapping[str, Any], now: float) -> str:
    """The page of ``recloop check``, from ``Check.to_dict()``."""
    values = {"title": "What is in the data", "tone": TONES[check["worst"]], "check": data(check)}
    return render("check.html", values, kind="data check", now=now)
