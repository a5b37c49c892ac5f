"""All that is known of what users went through, in one value that prints, plots and writes itself."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from recloop.experience import pictures
from recloop.experience.fair import Fairness, ProviderFairness
from recloop.experience.health import LogHealth
from recloop.experience.reasons import Trust
from recloop.experience.scorecard import Scorecard
from recloop.experience.together import PopulationRow
from recloop.experiments.analysis.pictures import Picture
from recloop.experiments.json_values import to_json
from recloop.experiments.words import number_of
from recloop.metrics.online import FAMILIES, OUTCOMES, OutcomeMetric

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

WIDTH = 118


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric's value under the treatment, with its interval over users; NaN where it has none, for the reason."""

    metric: str
    family: str
    title: str
    value: float
    low: float
    high: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UserExperience:
    """What users went through under a treatment.

    Attributes:
        treatment: the variant that is judged; "all" where the log has none.
        controls: what it is held against; empty where there is none.
        users: users by variant.
        values: every metric of the catalogue under the treatment.
        scorecard: all metrics against each control; None without a control.
        fairness: groups of users held against each other; None where nothing is known of them.
        providers: kinds of items, one value per column that makes them.
        population: measures of all slates together.
        health: what may be wrong with the log.
        trust: whether reasons are true; None where no release was at hand.
        notes: what could not be measured, and why.
        simulation: whether the users are made up.
    """

    treatment: str
    controls: tuple[str, ...]
    users: Mapping[str, int]
    values: tuple[MetricValue, ...]
    scorecard: Scorecard | None
    fairness: Fairness | None
    providers: tuple[ProviderFairness, ...]
    population: tuple[PopulationRow, ...]
    health: LogHealth
    trust: Trust | None = None
    notes: tuple[str, ...] = ()
    simulation: bool = False
    metrics: Mapping[str, OutcomeMetric] = field(default_factory=lambda: OUTCOMES)

    @property
    def sentence(self) -> str:
        """What stands out, for people who read nothing else."""
        parts = []
        if self.health.light == "red":
            bad = next(row for row in self.health.rows if row.light == "red")
            parts.append(f"Mend the log before you believe these numbers ({bad.sentence}).")
        if self.scorecard:
            for control in self.controls:
                mine = [row for row in self.scorecard.rows if row.control == control]
                count = {light: sum(row.light == light for row in mine) for light in ("better", "worse", "open")}
                parts.append(
                    f"{self.treatment} against {control}: {count['better']} metrics better, {count['worse']} worse, "
                    f"{count['open']} open."
                )
        if self.fairness:
            if breached := self.breached:
                parts.append(
                    f"Worse than under {self.fairness.control} by more than {self.fairness.loss:.0%} for "
                    f"{', '.join(breached[:3])}."
                )
            apart = sum(row.gap_light == "apart" for row in self.fairness.rows)
            if apart:
                parts.append(
                    f"{number_of('gap', apart)} between groups of users {'is' if apart == 1 else 'are'} beyond doubt."
                )
        parts += [one.sentence.split(". ")[0].rstrip(".") + "." for one in self.providers if one.unfair]
        return " ".join(parts) or "Nothing stands out."

    @property
    def breached(self) -> list[str]:
        """Groups for which the treatment is worse by more than is tolerated, with the metric."""
        rows = self.fairness.rows if self.fairness else ()
        return [f"{g.group} ({row.title})" for row in rows for g in row.groups if g.held == "breached"]

    @property
    def table(self) -> pl.DataFrame:
        """One row per metric and control; without a control one row per metric."""
        if self.scorecard:
            rows = [
                {"metric": r.metric, "control": r.control, "treatment_value": r.treatment_value,
                 "control_value": r.control_value, "estimate": r.effect.estimate if r.effect else None,
                 "low": r.effect.low if r.effect else None, "high": r.effect.high if r.effect else None,
                 "p_adjusted": r.p_adjusted, "light": r.light, "reason": r.reason}
                for r in self.scorecard.rows
            ]  # fmt: skip
        else:
            rows = [to_json(one) for one in self.values]
        return pl.DataFrame(rows, infer_schema_length=None)

    def with_trust(self, found: Trust | None) -> "UserExperience":
        """The same with what was found of reasons."""
        return replace(self, trust=found)

    def family(self, name: str) -> tuple[MetricValue, ...]:
        """The values of one family."""
        return tuple(one for one in self.values if one.family == name)

    def matrix(self) -> Picture:
        """The traffic lights: a row per metric that was measured, a column per control."""
        return pictures.matrix(self)

    def groups(self, attribute: str, metric: str) -> Picture:
        """A metric in each group of an attribute, with intervals.

        Raises:
            MissingError: nothing is known of them.
        """
        return pictures.groups(self, attribute, metric)

    def exposure(self, column: str = "") -> Picture:
        """Exposure against merit of each kind of items; the first column's where none is named.

        Raises:
            MissingError: there is no such column.
        """
        return pictures.exposure(self, column)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN and infinite become None."""
        return {
            "sentence": self.sentence,
            "treatment": self.treatment,
            "controls": list(self.controls),
            "users": dict(self.users),
            "values": to_json(self.values),
            "scorecard": self.scorecard.to_dict() if self.scorecard else None,
            "fairness": self.fairness.to_dict() if self.fairness else None,
            "providers": [one.to_dict() for one in self.providers],
            "population": [one.to_dict() for one in self.population],
            "health": self.health.to_dict(),
            "trust": self.trust.to_dict() if self.trust else None,
            "notes": list(self.notes),
            "simulation": self.simulation,
        }

    def to_json(self, path: Path | str | None = None) -> str:
        """Everything as JSON; written to a file where one is named."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def to_parquet(self, path: Path | str) -> None:
        """The ``table``."""
        self.table.write_parquet(path)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[RenderableType]":
        from recloop.experience.terminal import shown

        yield from shown(self)

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(file=StringIO(), width=WIDTH, color_system=None, highlight=False)
        with console.capture() as captured:
            console.print(self)
        return "\n".join(line.rstrip() for line in captured.get().splitlines())

    __repr__ = __str__


def family_of(metric: str) -> str:
    """The family of a metric; "own" for one that is not in the catalogue.

    >>> family_of("slate_ctr"), family_of("mine")
    ('engagement', 'own')
    """
    return next((name for name, family in FAMILIES.items() if metric in {one.id for one in family}), "own")
