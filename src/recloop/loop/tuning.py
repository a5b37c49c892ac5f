"""What a search found: the best settings, how far they can be believed, and all trials."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recloop.loop.plan import StrategyConfig
from recloop.loop.space import Range, Space
from recloop.loop.study import Trial
from recloop.loop.toml import strategy_table
from recloop.metrics import Metric
from recloop.stats import Effect


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a search found.

    Attributes:
        name: of the strategy in the plan.
        entry: the strategy and its settings, the derived seed among them.
        given: the settings that stand in the plan.
        folder: where the search is kept.
        metrics: what trials were judged by; the first decides, several are weighed by their Pareto front.
        space: what was tried.
        trials: those that ended, in their order.
        best: the one with the best first metric.
        front: those that no other beats on all metrics, best first metric first; ``best`` alone where there is one.
        own: the trial of the plan's own settings; None where they lie outside the space.
        gain: the first metric of ``best`` minus that of ``own`` on the same users; None where there is nothing to test.
        influence: setting → its share in what parts good trials from the rest; may be empty.
        validation: whom trials were judged by, as a sentence.
        stopped: whether Ctrl-C ended it before it was done.
    """

    name: str
    entry: StrategyConfig
    given: Mapping[str, Any]
    folder: Path
    metrics: tuple[Metric, ...]
    space: Space
    trials: tuple[Trial, ...]
    best: Trial
    front: tuple[Trial, ...]
    own: Trial | None
    gain: Effect | None
    influence: Mapping[str, float]
    validation: str
    stopped: bool = False

    @property
    def complete(self) -> tuple[Trial, ...]:
        """The trials that have values."""
        return tuple(trial for trial in self.trials if trial.state == "complete")

    @property
    def sentence(self) -> str:
        """What was found, and how far it can be believed."""
        metric = self.metrics[0].name
        found = f"{metric} {self.best.values[metric]:.4f} with {said(self.best.settings)}"
        start = f"{self.name}: {found}, the best of {len(self.trials)} trials"
        if self.own is None:
            return f"{start}. The plan's own settings lie outside what was searched."
        if self.own.number == self.best.number:
            return f"{start}: the plan's own settings. Nothing better was found."
        before = f"the plan's settings give {self.own.values[metric]:.4f}"
        if self.gain is None:
            return f"{start}; {before}."
        gain = f"a difference of {self.gain.estimate:+.4f} ({self.gain.low:+.4f} to {self.gain.high:+.4f})"
        if self.gain.low <= 0 <= self.gain.high:
            return f"{start}; {before}, {gain}: these users cannot tell the two apart."
        return f"{start}; {before}, {gain}. The best of many trials flatters itself: run the plan to judge it."

    @property
    def edges(self) -> str:
        """Which settings of the best trial lie at an end of what was searched, in a sentence; empty where none does."""
        at = {name: self.best.settings[name] for name, tried in self.space.items() if isinstance(tried, Range)
              and tried.at_edge(self.best.settings[name])}  # fmt: skip
        if not at:
            return ""
        return f"At an end of what was searched: {said(at)}. A wider range in [tune.{self.name}] may hold better ones."

    @property
    def settings(self) -> dict[str, Any]:
        """What the strategy's table in the plan should say."""
        return {**self.given, **self.best.settings}

    @property
    def toml(self) -> str:
        """The settings found, to be put into a plan; with several objectives each of the front under its own name."""
        kind, others = self.entry.strategy, [trial for trial in self.front if trial.number != self.best.number]
        tables = [strategy_table(self.name, kind, self.settings, self._words(self.best))]
        tables += [
            strategy_table(f"{self.name}-{t.number}", kind, {**self.entry.settings, **t.settings}, self._words(t))
            for t in others
        ]
        return "\n".join(tables)

    def _words(self, trial: Trial) -> str:
        values = ", ".join(f"{metric.name} {trial.values[metric.name]:.4f}" for metric in self.metrics)
        return f"trial {trial.number} of {len(self.trials)}: {values} on validation users"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "name": self.name,
            "strategy": self.entry.strategy,
            "folder": str(self.folder),
            "sentence": self.sentence,
            "validation": self.validation,
            "edges": self.edges,
            "metrics": [{"name": metric.name, "direction": metric.direction} for metric in self.metrics],
            "space": {name: tried.to_dict() for name, tried in self.space.items()},
            "best": self.best.to_dict(),
            "own": None if self.own is None else self.own.to_dict(),
            "gain": None if self.gain is None else {k: _finite(v) for k, v in asdict(self.gain).items()},
            "front": [trial.number for trial in self.front],
            "influence": dict(self.influence),
            "trials": [trial.to_dict() for trial in self.trials],
            "toml": self.toml,
        }


def said(settings: Mapping[str, Any]) -> str:
    """Settings in a sentence.

    >>> said({"reg": 232.0, "history": "mean"})
    'reg = 232, history = mean'
    """
    words = {True: "true", False: "false", None: "none"}
    return ", ".join(
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {words.get(value, value)}"
        for name, value in settings.items()
    )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
