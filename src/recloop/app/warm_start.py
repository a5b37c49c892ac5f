"""A policy that begins with what the log of another one tells."""

from pathlib import Path
from typing import NamedTuple

from recloop.app.learning import fold
from recloop.errors import ConflictError, MissingError, nearest
from recloop.loop.release import load
from recloop.store import Store
from recloop.store.outcomes import Rewarded


class Warmed(NamedTuple):
    """What a warm start took over.

    Attributes:
        release: whose policy learned.
        policy: that learned.
        outcomes: that it learned from.
        skipped: outcomes of arms that the policy does not have.
        arms: arm → outcomes.
    """

    release: str
    policy: str
    outcomes: int
    skipped: int
    arms: dict[str, int]


def warm_start(store: Store, source: str, target: str, *, release: str = "", force: bool = False) -> Warmed:
    """Let a policy of the active release learn from the outcomes of another policy, before its own.

    Arms are the same where they are called the same. Each outcome brings the features and the chance of its decision. A
    contextual policy learns nothing from a decision without features, or with others than its own. The log stays as it
    is, and what comes of the policy's own decisions is added to this start.

    Args:
        store: where releases and outcomes are.
        source: policy whose outcomes are read.
        target: policy that is to learn.
        release: of the source; "" is the active one.
        force: whether to replace what the policy has learned.

    Raises:
        MissingError: no release is active, it has no such policy, or there are no outcomes.
        ConflictError: the policy does not learn, has learned already, or would learn nothing from these outcomes.
    """
    active = store.releases.active()
    if active is None:
        raise MissingError("no release is active", advice="promote one: recloop serve --release FOLDER")
    policies = load(Path(active.path)).policies
    if target not in policies:
        raise MissingError(f"release '{active.name}' has no policy '{target}'", advice=nearest(target, policies))
    policy = policies[target]
    if policy.learns_from is None:
        raise ConflictError(f"policy '{target}' does not learn", advice='take one of kind = "bandit"')
    if not force and store.policy_states.get(active.name, target) is not None:
        raise ConflictError(f"policy '{target}' has learned already", advice="replace that with --force")
    rewarded = Rewarded(*policy.learns_from, policy.learns_by_item)
    read = store.outcomes.read(release or active.name, source, rewarded)
    if not read:
        raise MissingError(
            f"policy '{source}' of release '{release or active.name}' has no outcomes",
            advice="name a policy that chose arms, and its release with --release",
        )
    known = set(policy.arms)
    kept = [outcome for outcome in read if outcome.arm in known]
    counts = dict.fromkeys(policy.arms, 0)
    for outcome in kept:
        counts[outcome.arm] += 1
    state = fold(policy, None, kept)
    if state == policy.initial_state():
        raise ConflictError(
            f"policy '{target}' learns nothing from the {len(read)} outcomes of '{source}': they are of other arms, or "
            "their decisions kept no features, or others",
            advice="take a policy with arms of the same names and the same [policy.features]",
        )
    store.policy_states.put(active.name, target, state)
    return Warmed(active.name, target, len(kept), len(read) - len(kept), counts)
