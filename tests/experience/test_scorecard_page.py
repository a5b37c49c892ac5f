"""The page on the whole scorecard names every measure that the code has."""

from pathlib import Path

import pytest

from recloop.experience import POPULATION

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "scorecard.md").read_text()
FIGURES = ("orphans", "mismatches", "backwards", "duplicates", "unjoined", "silent_hours", "staleness")


@pytest.mark.parametrize("metric", POPULATION.values(), ids=POPULATION)
def test_every_measure_of_all_slates_has_its_paragraph(metric: object) -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith(f"- `{metric.id}`: "))
    assert metric.title in line
    assert f"${metric.formula}$".replace("\\,", "") in line.replace("\\,", "")


@pytest.mark.parametrize("figure", [*FIGURES, "latency_p50", "latency_p95", "latency_p99"])
def test_every_figure_of_the_log_has_its_line(figure: str) -> None:
    assert f"`{figure}`" in PAGE
