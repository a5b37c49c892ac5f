"""The rule that turns a readout into a verdict. It is read before the data, and it is the same for everybody.

1. A red check, or a primary metric that was never measured: **invalid**.
2. An arm with fewer users than the minimum, or than a skewed primary metric needs in arms of unequal size, or, under
   the group-sequential rule, no planned look reached: **keep running**.
3. Every treatment does harm (worse than some control on the primary metric, or a guardrail breached): **roll back**.
4. A treatment is better than *every* control on the primary metric and all its guardrails held: **ship** the one with
   the best primary value. Under the fixed rule only once the planned users are there.
5. Futility bounds were planned, and every treatment that does no harm is below that of the last planned look against
   some control: **inconclusive**, with the advice to stop.
6. The planned users are not there yet, and nobody stopped it: **keep running**.
7. Else: **inconclusive**.

Better and worse mean: the p-value of the primary comparison, adjusted by Holm over all pairs of treatment and control,
is below alpha. Before the planned users are there, under the fixed and the sequential rule, only always-valid intervals
count. Under the group-sequential rule the last planned look counts, and nothing that was seen since.
"""

from dataclasses import dataclass
from typing import Any, Literal

from recloop.experiments.comparisons import Comparison
from recloop.experiments.definition import Experiment
from recloop.experiments.guardrails import MADE, GuardrailResult
from recloop.experiments.json_values import to_json
from recloop.experiments.look import users_at_looks
from recloop.experiments.outlook import Outlook, outlook
from recloop.experiments.readout import Readout
from recloop.experiments.words import against, change, duration, lift, listed, loss, probability

Outcome = Literal["ship", "keep_running", "roll_back", "inconclusive", "invalid"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, in words, with the facts behind it.

    ``treatment`` is the one shipped or rolled back; else empty. ``paragraph`` is for people who read nothing else: the
    sentence, who took part, what to mind, and what is to come.
    """

    verdict: Outcome
    sentence: str
    facts: tuple[str, ...]
    paragraph: str
    outlook: Outlook
    treatment: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = to_json(self)
        return found


def decide(experiment: Experiment, readout: Readout, *, stopped: bool = False) -> Verdict:
    """Apply the rule.

    Args:
        experiment: what was agreed on.
        readout: what was seen.
        stopped: nobody will join any more; what is unclear now stays so.

    >>> from recloop.experiments import Variant, read_out
    >>> import polars as pl
    >>> table = pl.DataFrame({
    ...     "variant": ["popular", "blend"] * 200, "user": [f"u{i}" for i in range(400)],
    ...     "slates": [2] * 400, "clicked_slates": [0, 1, 1, 2] * 100})
    >>> test = Experiment(name="home", planned_users=400, variants={
    ...     "popular": Variant(policy="popular", control=True), "blend": Variant(policy="blend")})
    >>> print(decide(test, read_out(test, table, now=0.0)).sentence)
    Ship blend. Its click rate is 75.0%, against 25.0% under popular (+200%, between +151% and +270%).
    """
    return _Case(experiment, readout, stopped).verdict()


class _Case:
    def __init__(self, experiment: Experiment, readout: Readout, stopped: bool) -> None:
        self.experiment, self.readout, self.stopped = experiment, readout, stopped
        self.metric = readout.metrics[experiment.primary]
        self.treatments = tuple(dict.fromkeys(treatment for treatment, _ in experiment.pairs))
        self.outlook = outlook(experiment, readout)
        self.facts = self._facts()

    def verdict(self) -> Verdict:
        experiment, readout = self.experiment, self.readout
        if readout.hidden:
            return self._say("invalid", f"Do not read this experiment. {readout.hidden}")
        fewest = min(self.treatments + experiment.controls, key=lambda name: readout.users.get(name, 0))
        if readout.users[fewest] < experiment.minimum_users and not self.stopped:
            return self._say(
                "keep_running",
                f"Keep running. It is too early to say anything: {fewest} has {readout.users[fewest]:,} users, "
                f"and each variant needs {experiment.minimum_users:,}.",
            )
        missing = {c.reason for c in readout.of(experiment.primary) if "not measured" in c.reason}
        if missing:
            return self._say(
                "invalid", f"Do not read this experiment. Its primary metric, {self.metric.title}, is {missing.pop()}."
            )
        if experiment.rule == "group-sequential" and readout.look is None:
            return self._say("inconclusive" if self.stopped else "keep_running", self._before_looks())
        if not self.stopped and (needed := max((one.users_needed for one in self._all_primary()), default=0)):
            return self._say("keep_running", self._skewed(needed))
        harms = {treatment: self._harm(treatment) for treatment in self.treatments}
        if all(harms.values()):
            return self._say("roll_back", " ".join(f"Roll back {name}. {why}" for name, why in harms.items()), *harms)
        winners = [name for name in self.treatments if not harms[name] and self._wins(name) and self._held(name)]
        early = experiment.rule == "fixed" and readout.basis != "fixed"
        if winners and not early:
            best = max(winners, key=lambda name: self.metric.sign * self._value(name))
            return self._say("ship", f"Ship {best}. {self._compared(best)} {self._guardrail_words(best)}".strip(), best)
        warning = "".join(f" Take {name} out. {why}" for name, why in harms.items() if why)
        futile = [name for name in self.treatments if not harms[name] and self._futile(name)]
        if futile and all(name in futile or harms[name] for name in self.treatments):
            return self._say("inconclusive", f"No clear answer, and none to be expected. {self._hopeless()}{warning}")
        if self._goes_on() and not self.stopped:
            return self._say("keep_running", f"Keep running. {self._progress()} {self._open()}{warning}")
        return self._say("inconclusive", f"No clear answer. {self._open()}{warning}")

    def _say(self, verdict: Outcome, sentence: str, *treatments: str) -> Verdict:
        treatment = treatments[0] if len(treatments) == 1 else ""
        return Verdict(verdict, sentence, self.facts, self._paragraph(verdict, sentence), self.outlook, treatment)

    # ---- the rule

    def _primary(self, treatment: str) -> tuple[Comparison, ...]:
        return self.readout.of(self.experiment.primary, treatment)

    def _all_primary(self) -> tuple[Comparison, ...]:
        return self.readout.of(self.experiment.primary)

    def _rails(self, treatment: str) -> list[GuardrailResult]:
        return [one for one in self.readout.guardrails if one.treatment == treatment]

    def _sign(self, one: Comparison) -> int:
        """+1 where the treatment is better beyond doubt, -1 where it is worse, 0 where it is open."""
        if one.effect is None or not one.p_adjusted < self.experiment.alpha:
            return 0
        return self.metric.sign if one.effect.estimate > 0 else -self.metric.sign

    def _wins(self, treatment: str) -> bool:
        return all(self._sign(one) > 0 for one in self._primary(treatment))

    def _futile(self, treatment: str) -> bool:
        return any(one.futile for one in self._primary(treatment))

    def _held(self, treatment: str) -> bool:
        return all(one.status == "held" for one in self._rails(treatment))

    def _value(self, treatment: str) -> float:
        return next(
            v.value for v in self.readout.values if (v.metric, v.variant) == (self.experiment.primary, treatment)
        )

    # ---- the words

    def _harm(self, treatment: str) -> str:
        worse = [one for one in self._primary(treatment) if self._sign(one) < 0]
        parts = [f"Its {self.metric.title} is {self._against(worse)}."] if worse else []
        parts += [
            f"It breaks the guardrail on {self._named(one)}: {self._rail(one)}."
            for one in self._rails(treatment)
            if one.status == "breached"
        ]
        return " ".join(parts)

    def _against(self, comparisons: list[Comparison]) -> str:
        effects = [(one.control, one.effect) for one in comparisons if one.effect]
        own = self.metric.say(effects[0][1].treatment)
        return f"{own}, against {listed([against(self.metric, control, effect) for control, effect in effects])}"

    def _compared(self, treatment: str) -> str:
        known = [one for one in self._primary(treatment) if one.effect]
        if not known:
            return f"Of {treatment} there is nothing to compare: {self._primary(treatment)[0].reason}."
        return f"Its {self.metric.title} is {self._against(known)}."

    def _rail(self, one: GuardrailResult) -> str:
        metric = self.readout.metrics[one.metric]
        if one.effect is None or one.reason:
            return one.reason
        return f"{metric.say(one.effect.treatment)}, against {against(metric, one.control, one.effect)}"

    def _guardrail_words(self, treatment: str) -> str:
        names = list(dict.fromkeys(self.readout.metrics[one.metric].title for one in self._rails(treatment)))
        return f"The guardrails held: {listed(names)}." if names else ""

    def _open(self) -> str:
        """What is not known yet of the treatments that do no harm."""
        parts = []
        for treatment in self.treatments:
            if self._harm(treatment):
                continue
            parts.append(self._compared(treatment).replace("Its", f"{treatment}'s", 1))
            unsure = [one.control for one in self._primary(treatment) if self._sign(one) <= 0]
            if unsure:
                parts.append(f"That it is better than {listed(unsure)} is not beyond doubt.")
            for one in self._rails(treatment):
                if one.status == "unclear" and one.effect and not one.reason:
                    parts.append(f"The guardrail on {self._named(one)} is open: {self._rail(one)}.")
                elif one.status == "unclear":
                    parts.append(f"The guardrail on {self._named(one)} cannot be judged: {one.reason}.")
        return " ".join(dict.fromkeys(parts))

    def _hopeless(self) -> str:
        """Why it is advised to stop at a futility bound."""
        look = self.readout.look
        assert look is not None
        change_ = change(self.metric, self.outlook.detectable).lstrip("+-")
        return (
            f"Planned look {look.number} of {len(self.experiment.looks)} is below its futility bound: were there a "
            f"change by {change_}, which the plan finds with a chance of {self.experiment.power:.0%}, more would be "
            f"seen by now. Stop, or go on: the bound is advice, and going on costs no error. {self._open()}"
        )

    def _goes_on(self) -> bool:
        """Whether users, or looks, are still to come."""
        if self.readout.look:
            return self.readout.look.next_users is not None
        return self.readout.total_users < self.experiment.planned_users

    def _skewed(self, needed: int) -> str:
        return (
            f"Keep running. The {self.metric.title} of single users is skewed, and the variants differ in size: what "
            f"is seen can be trusted once the smaller one has {needed:,} users. A cap (winsorise), or variants of one "
            "size, need fewer."
        )

    def _before_looks(self) -> str:
        first = f"The first planned look is at {users_at_looks(self.experiment)[0]:,} users"
        if self.stopped:
            return f"No clear answer. {first}, and it was stopped before."
        return f"Keep running. {first}. {self._progress()}"

    def _named(self, one: GuardrailResult) -> str:
        metric = self.readout.metrics[one.metric]
        return f"{metric.title} (at most {loss(metric, one.margin, one.scale)} worse)"

    def _progress(self) -> str:
        so_far = f"{self.readout.total_users:,} of {self.experiment.planned_users:,} planned users are in"
        if self.readout.look and self.readout.look.next_users:
            so_far += f", and the next planned look is at {self.readout.look.next_users:,}"
        left = self.readout.seconds_left
        return f"{so_far}; at this pace about {duration(left)} to go." if left else f"{so_far}."

    def _paragraph(self, verdict: Outcome, sentence: str) -> str:
        readout = self.readout
        if readout.hidden:
            return sentence
        users = listed([f"{name} {count:,}" for name, count in readout.users.items()])
        said = [sentence, f"{readout.total_users:,} users took part ({users}).", self._intervals()]
        yellow = [one.sentence for one in readout.checks if one.level == "yellow"]
        said += yellow or [f"All {len(readout.checks)} checks on validity passed."]
        if verdict == "keep_running" and self.outlook.users_left and self.outlook.detectable > 0:
            least = change(self.metric, self.outlook.detectable).lstrip("+")
            said.append(
                f"{self.outlook.users_left:,} users are still to come; then a change of {self.metric.title} by {least} "
                f"is found with a chance of {self.experiment.power:.0%}."
            )
        return " ".join(said)

    def _intervals(self) -> str:
        readout = self.readout
        if look := readout.look:
            of = len(self.experiment.looks)
            how = f"of planned look {look.number} of {of}, over the {look.users:,} users who came first"
            level = 100 * (1 - self.experiment.alpha / len(self.experiment.pairs))
            return f"Intervals at {level:.3g}% over all looks, {how}."
        return f"Intervals at {1 - self.experiment.alpha:.0%}, {MADE[readout.basis]}."

    def _facts(self) -> tuple[str, ...]:
        readout = self.readout
        users = listed([f"{name} {count:,}" for name, count in readout.users.items()])
        facts = [f"{readout.total_users:,} users: {users}.", self._intervals()]
        facts += [one.sentence for one in readout.checks]
        for one in readout.of(self.experiment.primary):
            if one.effect:
                said = f"{one.treatment} against {one.control}: {lift(self.metric, one.effect)}"
                facts.append(f"{self.metric.title}, {said}; {probability(one.p_adjusted)} after Holm.")
            else:
                facts.append(f"{self.metric.title}, {one.treatment} against {one.control}: {one.reason}.")
        facts += [
            f"guardrail {one.metric}, {one.treatment} against {one.control}: {one.status}; {self._rail(one)}."
            for one in readout.guardrails
        ]
        facts += [sentence for one in readout.details for sentence in one.sentences(readout.metrics[one.metric])]
        facts += [one.sentence(self.metric) for one in readout.beliefs if one.metric == self.metric.id]
        facts += [sentence for one in readout.bandits for sentence in one.sentences(readout.metrics[one.metric])]
        facts += [one.sentence for one in readout.segments.tests]
        return tuple(facts)
