"""What a search of policies found: the front, its volume, the points to take, and how far they can be believed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose import SlateConfig
from recloop.errors import DataError
from recloop.evaluate import Evaluation, Guardrail, front, hypervolume, knee, topsis
from recloop.loop.frontier import Aim, Searched
from recloop.loop.knobs import Knobs
from recloop.loop.study import Trial
from recloop.stats import mean_interval, paired

WHY = {
    "accurate": "the best first aim",
    "knee": "where a little more of one aim begins to cost much of another",
    "balanced": "nearest to the best and farthest from the worst of every aim (TOPSIS)",
}
LOSS = "98%"  # of the best single strategy's first aim that a point keeps where no guardrail is named


@dataclass(frozen=True, slots=True)
class Against:
    """A point beside one single strategy on one aim, on users that nothing was chosen by.

    ``difference`` is in merit: above 0 the point is better. ``low`` and ``high`` are its 95% interval (paired).
    """

    strategy: str
    aim: str
    difference: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Pick:
    """A point of the front that is worth taking.

    Attributes:
        name: accurate, knee or balanced; several where they are one point.
        trial: that found it.
        policy: what it is made of.
        values: aim → value on the users that were searched on.
        confirmed: aim, and what else guardrails look at → value, low, high on other users; empty where nobody else
            judged.
        against: the point beside each single strategy there.
    """

    name: str
    trial: Trial
    policy: SlateConfig
    values: Mapping[str, float]
    confirmed: Mapping[str, tuple[float, float, float]]
    against: tuple[Against, ...]

    @property
    def why(self) -> str:
        """What speaks for it."""
        return "; ".join(WHY[part] for part in self.name.split("-"))

    def better(self) -> tuple[str, ...]:
        """The aims on which it is better than every single strategy, beyond chance."""
        aims = dict.fromkeys(one.aim for one in self.against)
        return tuple(aim for aim in aims if all(one.low > 0 for one in self.against if one.aim == aim))

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.name,
            "why": self.why,
            "trial": self.trial.number,
            "policy": msgspec.to_builtins(self.policy),
            "values": dict(self.values),
            "confirmed": {aim: list(found) for aim, found in self.confirmed.items()},
            "against": [asdict(one) for one in self.against],
            "better": list(self.better()),
        }


@dataclass(frozen=True, eq=False)
class FrontFound:
    """What came of a search.

    Attributes:
        knobs: what was turned.
        aims: what was judged by; the first decides where one must.
        searched: all trials.
        front: those that no other beats, best first aim first.
        baseline: the single strategy with the best first aim.
        volume: of the front above the worst of each aim among the single strategies.
        alone: the volume that the single strategies have by themselves.
        course: the volume after each trial.
        guards: what points must keep to be picked.
        picks: points to take; empty where none keeps the guardrails.
        judged: whom by, as a sentence.
    """

    knobs: Knobs
    aims: tuple[Aim, ...]
    searched: Searched
    front: tuple[Trial, ...]
    baseline: Trial
    volume: float
    alone: float
    course: tuple[float, ...]
    guards: tuple[Guardrail, ...]
    picks: tuple[Pick, ...]
    judged: str = ""

    @classmethod
    def of(
        cls, knobs: Knobs, aims: Sequence[Aim], searched: Searched, guards: Sequence[Guardrail] = (), judged: str = ""
    ) -> "FrontFound":
        """The front of a search and the points to take from it.

        Args:
            knobs: what was turned.
            aims: what was judged by.
            searched: the trials.
            guards: what points must keep, relative ones against the single strategy that is best on the first aim; at
                least 98% of its first aim where none is given.
            judged: whom by, as a sentence.
        """
        trials = [t for t in searched.trials if t.state == "complete" and not t.reason]
        merits = np.array([[aim.merit(trial.values[aim.name]) for aim in aims] for trial in trials])
        singles = np.array([len(knobs.policy(t.settings).weights) == 1 and _plain(knobs, t) for t in trials])
        if not singles.any():
            singles[0] = True  # what was tried first
        low = merits[singles].min(axis=0) - 1e-9 * np.maximum(1.0, np.abs(merits[singles].min(axis=0)))
        spans = np.maximum(merits.max(axis=0) - low, 1e-12)
        scaled = (merits - low) / spans
        unbeaten = front(merits)
        best = trials[int(np.argmax(np.where(singles, merits[:, 0], -np.inf)))]
        guards = tuple(guards) or (usual(aims[0]),)
        order = [place for place in np.argsort(-merits[:, 0], kind="stable").tolist() if unbeaten[place]]
        zero = np.zeros(len(aims))
        return cls(
            knobs=knobs,
            aims=tuple(aims),
            searched=searched,
            front=tuple(trials[place] for place in order),
            baseline=best,
            volume=hypervolume(scaled, zero),
            alone=hypervolume(scaled[singles], zero),
            course=tuple(hypervolume(scaled[: at + 1], zero) for at in range(len(trials))),
            guards=guards,
            picks=_picks(knobs, [trials[place] for place in order], merits[order], guards, best),
            judged=judged,
        )

    def confirmed(self, evaluation: Evaluation) -> "FrontFound":
        """The same with what the points are worth on other users.

        Args:
            evaluation: holds each pick by name, and the single strategies by theirs.
        """
        picks = []
        names = {aim.name for aim in self.aims}
        for pick in self.picks:
            values, against = {}, []
            for name in dict.fromkeys(guard.metric for guard in self.guards if guard.metric not in names):
                mean = mean_interval(evaluation.per_user[pick.name, name], evaluation.alpha)
                values[name] = (mean.mean, mean.low, mean.high)
            for aim in self.aims:
                mine = evaluation.per_user[pick.name, aim.name]
                mean = mean_interval(mine, evaluation.alpha)
                values[aim.name] = (mean.mean, mean.low, mean.high)
                up = 1.0 if aim.merit(1.0) > 0 else -1.0
                for name in self.knobs.sources:
                    try:
                        effect = paired(up * mine, up * evaluation.per_user[name, aim.name], evaluation.alpha)
                    except DataError:  # fewer than two users have both
                        continue
                    against.append(Against(name, aim.name, effect.estimate, effect.low, effect.high))
            picks.append(replace(pick, confirmed=values, against=tuple(against)))
        return replace(self, picks=tuple(picks))

    @property
    def sentence(self) -> str:
        """What was found, in a few words."""
        count, tried = len(self.front), len(self.searched.trials)
        gain = (
            f"the front dominates {self.volume:.3f} of the box above the single strategies, which hold {self.alone:.3f}"
        )
        start = f"{count} of {tried} policies are beaten by no other; {gain}."
        if not self.picks:
            kept = " and ".join(map(str, self.guards))
            return f"{start} None keeps {kept}: nothing is recommended. Lower the guardrail, or search longer."
        today = self.baseline.values
        keep = sum(all(guard.keeps(trial.values, today) for guard in self.guards) for trial in self.front)
        return f"{start} {keep} of them keep{'s' * (keep == 1)} the guardrails: {'; '.join(map(str, self.guards))}."

    def frame(self) -> pl.DataFrame:
        """One row for each trial: number, state, front, pick, each aim, each setting."""
        on_front = {trial.number for trial in self.front}
        picked = {pick.trial.number: pick.name for pick in self.picks}
        rows = [
            {
                "trial": trial.number,
                "state": trial.state,
                "front": trial.number in on_front,
                "pick": picked.get(trial.number, ""),
                **{aim.name: trial.values.get(aim.name) for aim in self.aims},
                **{name: float(trial.settings[name]) for name in self.knobs.space},
            }
            for trial in self.searched.trials
        ]
        return pl.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "folder": str(self.searched.folder),
            "sentence": self.sentence,
            "judged": self.judged,
            "aims": [aim.name for aim in self.aims],
            "space": {name: tried.to_dict() for name, tried in self.knobs.space.items()},
            "front": [trial.number for trial in self.front],
            "baseline": self.baseline.to_dict(),
            "volume": self.volume,
            "alone": self.alone,
            "course": list(self.course),
            "guards": [str(guard) for guard in self.guards],
            "picks": [pick.to_dict() for pick in self.picks],
            "trials": [trial.to_dict() for trial in self.searched.trials],
            "stopped": self.searched.stopped,
        }


def _plain(knobs: Knobs, trial: Trial) -> bool:
    made = knobs.policy(trial.settings)
    return made.diversity == 0 and (made.objectives is None or not made.objectives.weights)


def usual(first: Aim) -> Guardrail:
    """What points must keep where nothing else is said: 98% of the first aim of the best single strategy."""
    return Guardrail.parse(f"{first.name}>={LOSS}")


def _picks(
    knobs: Knobs, trials: Sequence[Trial], merits: NDArray[np.float64], guards: Sequence[Guardrail], baseline: Trial
) -> tuple[Pick, ...]:
    keeps = [place for place, trial in enumerate(trials)
             if all(guard.keeps(trial.values, baseline.values) for guard in guards)]  # fmt: skip
    if not keeps:
        return ()
    inside = merits[keeps]
    chosen = {"accurate": int(inside[:, 0].argmax()), "knee": knee(inside), "balanced": int(topsis(inside).argmax())}
    names: dict[int, list[str]] = {}
    for name, place in chosen.items():
        names.setdefault(keeps[place], []).append(name)
    return tuple(
        Pick("-".join(said), trials[place], knobs.policy(trials[place].settings), trials[place].values, {}, ())
        for place, said in names.items()
    )
