"""A release that answers: its policies asked, what people put over them laid on, and the slates explained."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs

from recloop.app.overlay import SPARE, Overlay
from recloop.app.servable import Servable
from recloop.compose.causes import causes
from recloop.compose.failed import with_failed
from recloop.compose.policy import Choices, Outcomes, State
from recloop.compose.reasons import Facts, Phrase, plain
from recloop.compose.rules import Rules
from recloop.compose.slots import SlotsPolicy
from recloop.data.histories import Histories
from recloop.errors import MissingError, RecloopError, nearest
from recloop.experiments.interleaving import Interleaving, mix
from recloop.types import SlateItem

FALLBACK = "popular"  # the policy that answers when the chosen one fails
Mixed = Mapping[str, Interleaving]
_log = logging.getLogger("recloop.engine")


@dataclass(frozen=True, slots=True)
class Answering:
    """A release with what its policies have learned; swapped as one reference, so a request sees one or the other.

    Attributes:
        release: what answers.
        states: of its policies.
        phrase: says the facts of a slate.
        rng: of the policies' randomness.
    """

    release: Servable
    states: Mapping[str, State]
    phrase: Phrase
    rng: np.random.Generator

    def check_states(self) -> None:
        """Log which policies cannot use what they learned: they will fail at every request, and not say why there."""
        for name, policy in self.release.policies.items():
            try:
                policy.update(self.states[name], Outcomes([], []))
            except RecloopError as error:
                _log.error("policy '%s' cannot use what it learned: %s", name, error)

    def choose(
        self, wanted: str, histories: Histories, k: int, rules: Rules, overlay: Overlay | None, mixed: Mixed
    ) -> tuple[str, Choices]:
        """The choices for one request, and the policy that made them: the wanted one, or the fallback."""
        try:
            return wanted, self.laid(wanted, histories, k, rules, overlay, mixed)
        except Exception as error:
            if wanted == FALLBACK or FALLBACK not in self.release.policies:
                raise
            # the type alone: a message may hold what a user sent
            _log.warning("policy '%s' failed with %s: '%s' answers", wanted, type(error).__name__, FALLBACK)
            choices = self.laid(FALLBACK, histories, k, rules, overlay, mixed)
            why = {wanted: type(error).__name__}
            details = with_failed(choices.details, {wanted: np.ones(len(choices), bool)}, why)
            return FALLBACK, replace(choices, failures={**choices.failures, **why}, details=details)

    def laid(
        self, name: str, histories: Histories, k: int, rules: Rules, overlay: Overlay | None, mixed: Mixed
    ) -> Choices:
        """What a policy chose, with what people put over it."""
        policy = self.release.policies.get(name)
        overlay = overlay and overlay.over(policy)
        if overlay is None:
            return self.ask(name, histories, k, rules, mixed)
        k = max(1, min(k, len(self.release.items)))
        wide = k if name in mixed else k + SPARE  # what is mixed has the chance of a slate of k places
        seed = int(self.rng.integers(2**63))  # the same luck with and without
        choices = self.ask(
            name, histories, wide if overlay.widened else k, overlay.allowed(rules), mixed, np.random.default_rng(seed)
        )
        laid = overlay.laid(choices, histories, k, rules)
        costly = policy is not None and policy.asks_outside  # nobody pays for calls that only measure
        if isinstance(policy, SlotsPolicy) or costly or not overlay.measures(histories):
            return laid
        whole = self.ask(name, histories, wide, rules, mixed, np.random.default_rng(seed))
        return overlay.told(laid, whole, histories, k, rules)

    def ask(
        self,
        name: str,
        histories: Histories,
        k: int,
        rules: Rules,
        mixed: Mixed,
        rng: np.random.Generator | None = None,
    ) -> Choices:
        """What a policy chose; of a test that interleaves, what its policies chose, mixed.

        Raises:
            MissingError: the release has no policy of that name.
        """
        release = self.release
        if test := mixed.get(name):
            chosen = [self.ask(policy, histories, k, rules, mixed, rng) for policy in test.policies]
            return mix(test, chosen, chosen[0].rankings.k, str(histories.keys[0]))
        if name not in release.policies:
            raise MissingError(
                f"release '{release.name}' has no policy '{name}'", advice=nearest(name, release.policies)
            )
        return release.policies[name].choose(
            self.states[name],
            histories,
            max(1, min(k, len(release.items))),
            self.rng if rng is None else rng,
            allowed=rules.allowed,
            exclude=rules.exclude,
            candidates=rules.candidates,
            steering=rules.steering,
        )

    def told(
        self, name: str, choices: Choices, histories: Histories, rules: Rules | None
    ) -> list[tuple[SlateItem, ...]]:
        """The slates with a reason for each item: what moved it where there are rules, else what brought it.

        Where something stood in for a strategy, nothing is scored again: who was late would be waited for.
        """
        ids, ranked, told = self.release.items.ids, choices.rankings, []
        rows = zip(ranked.items.tolist(), ranked.scores.tolist(), choices.sources.tolist(), strict=True)
        for (items, scores, sources), events in zip(rows, histories.lengths.tolist(), strict=True):
            why = {source: plain(Facts("", source, personal=events > 0)) for source in set(sources)}
            told.append(
                tuple(
                    SlateItem(ids[item], score, source, why[source])
                    for item, score, source in zip(items, scores, sources, strict=True)
                    if item >= 0  # the rest is padding
                )
            )
        if rules is None or choices.failures or not len(histories.items) or name not in self.release.policies:
            return told
        return [self._explained(name, choices, histories, rules, told[0])]

    def _explained(
        self,
        name: str,
        choices: Choices,
        histories: Histories,
        rules: Rules,
        slate: tuple[SlateItem, ...],
    ) -> tuple[SlateItem, ...]:
        """One slate with what of the history moved each item; as it was where that cannot be found."""
        release = self.release
        try:
            found = causes(release.policies[name].arm(choices.arms[0]), histories, choices, rules=rules)
            said = self.phrase([Facts.of(cause, release.titles) for cause in found])
            moved = [(tuple(release.items[event] for event in cause.events), cause.words) for cause in found]
        except Exception as error:  # noqa: BLE001  a slate is not lost because nobody can say why
            _log.warning("a slate of policy '%s' was not explained: %s", name, type(error).__name__)
            return slate
        return tuple(
            structs.replace(entry, reason=reason, because=because, words=words)
            for entry, reason, (because, words) in zip(slate, said, moved, strict=True)
        )


def plainly(slate: Sequence[Facts]) -> list[str]:
    """The facts of a slate by a template."""
    return [plain(facts) for facts in slate]
