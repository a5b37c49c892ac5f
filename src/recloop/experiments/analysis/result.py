import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from recloop.experiments.analysis import pictures
from recloop.experiments.analysis.page import fragment, page
from recloop.experiments.analysis.pictures import Picture
from recloop.experiments.analysis.plan import AnalysisPlan
from recloop.experiments.analysis.scan import Scan
from recloop.experiments.analysis.tables import checks, tables
from recloop.experiments.decide import Verdict
from recloop.experiments.definition import Experiment
from recloop.experiments.detail import Detail
from recloop.experiments.json_values import to_json
from recloop.experiments.readout import Readout
from recloop.stats import Effect

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

WIDTH = 118


@dataclass(frozen=True, slots=True, repr=False)
class Analysis:
    """What an experiment shows, and what its rule makes of it. It prints, plots and writes itself.

    Attributes:
        plan: by which it was read.
        experiment: the definition that the rule read.
        scan: the sums behind it; they add up with those of other users.
        readout: all numbers.
        verdict: the decision, in words.
    """

    plan: AnalysisPlan
    experiment: Experiment
    scan: Scan
    readout: Readout
    verdict: Verdict

    @property
    def details(self) -> tuple[Detail, ...]:
        """Effects without covariates, and without caps."""
        return self.readout.details

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with the data, counted."""
        return tuple(one.sentence for one in self.scan.findings)

    @property
    def table(self) -> pl.DataFrame:
        """One row per comparison, over all users and by segment."""
        return pl.DataFrame(list(self._rows()), schema=_SCHEMA)

    def forest(self, segment: str = "") -> Picture:
        """Every metric's relative change with its interval; of a segment column, the primary metric's by its values."""
        return pictures.forest(self, segment=segment)

    def cumulative(self) -> Picture:
        """The primary metric's effect as users came in, with a band that holds at every look."""
        return pictures.cumulative(self)

    def traffic(self) -> Picture:
        """Users per day of their first exposure, by variant."""
        return pictures.traffic(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON values. What is NaN or infinite (no value, no bound) becomes None."""
        return {
            "readout": self.readout.to_dict(),
            "verdict": self.verdict.to_dict(),
            "findings": to_json(self.scan.findings),
            "notes": list(self.scan.notes),
        }

    def to_json(self, path: Path | str | None = None) -> str:
        """Everything as JSON; written to a file where one is named."""
        return _written(json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False), path)

    def to_markdown(self, path: Path | str | None = None) -> str:
        """Verdict, tables and checks as Markdown."""
        parts = [f"# Experiment {self.experiment.name}", self.verdict.sentence]
        for one in tables(self):
            parts += [f"## {one.title}", one.markdown(), *([one.note.replace("*", r"\*")] if one.note else [])]
        parts += ["## Checks", "\n".join(f"- **{name}** {sentence}" for name, sentence in checks(self).items())]
        parts += self.scan.notes
        return _written("\n\n".join(parts) + "\n", path)

    def to_html(self, path: Path | str | None = None) -> str:
        """A page of its own that loads nothing."""
        return _written(page(self), path)

    def to_parquet(self, path: Path | str) -> None:
        """The ``table``."""
        self.table.write_parquet(path)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[RenderableType]":
        from rich.table import Table
        from rich.text import Text

        yield Text(self.verdict.sentence, style="bold")
        for one in tables(self):
            shown = Table(box=None, pad_edge=False)
            for place, name in enumerate(one.head):
                shown.add_column(name, justify="right" if place else "left", header_style="dim")
            for row in one.rows:
                shown.add_row(*map(Text, row))
            yield Text(f"\n{one.title}", style="bold")
            yield shown
            if one.note:
                yield Text(one.note, style="dim")
        yield Text()
        styles = {"red": "bold red", "yellow": "yellow", "green": "dim"}
        for check in self.readout.checks:
            yield Text(f"{check.name}: {check.sentence}", style=styles[check.level])
        for note in self.scan.notes:
            yield Text(note, style="dim")

    def __str__(self) -> str:
        from rich.console import Console

        shown = Console(file=StringIO(), width=WIDTH, color_system=None, highlight=False)
        with shown.capture() as captured:
            shown.print(self)
        return "\n".join(line.rstrip() for line in captured.get().splitlines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return fragment(self)

    def _rows(self) -> Iterator[dict[str, Any]]:
        beside = {(one.metric, one.treatment, one.control): one for one in self.details}
        users = self.readout.users
        for one in self.readout.comparisons:
            found = beside.get((one.metric, one.treatment, one.control))
            yield {
                **_row(one, one.effect),
                "users": users[one.treatment] + users[one.control],
                "p_adjusted": one.p_adjusted,
                "variance_reduction": found.variance_reduction if found else None,
                "plain_estimate": found.plain.estimate if found and found.plain else None,
                "uncapped_estimate": found.uncapped.estimate if found and found.uncapped else None,
            }
        for part in self.readout.segments.effects:
            yield {
                **_row(part, part.effect),
                "segment": part.column,
                "value": part.value,
                "users": part.users,
                "p_adjusted": part.p_adjusted,
            }


_FIGURES = (
    "treatment",
    "control",
    "estimate",
    "low",
    "high",
    "p_value",
    "relative",
    "relative_low",
    "relative_high",
)
_NAMES = {"treatment": "treatment_value", "control": "control_value"}
_SCHEMA = {
    **dict.fromkeys(("metric", "treatment", "control", "segment", "value"), pl.String),
    "users": pl.Int64,
    **dict.fromkeys((_NAMES.get(name, name) for name in _FIGURES), pl.Float64),
    **dict.fromkeys(("p_adjusted", "variance_reduction", "plain_estimate", "uncapped_estimate"), pl.Float64),
    **dict.fromkeys(("method", "reason"), pl.String),
}


def _row(one: Any, effect: Effect | None) -> dict[str, Any]:
    figures = {_NAMES.get(name, name): getattr(effect, name) if effect else None for name in _FIGURES}
    who = {"metric": one.metric, "treatment": one.treatment, "control": one.control}
    return {**who, **figures, "method": effect.method if effect else "", "reason": one.reason}


def _written(text: str, path: Path | str | None) -> str:
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text
