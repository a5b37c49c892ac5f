"""A release put in charge by a person: its gate is asked first, and going past it leaves a reason in the audit log."""

from collections.abc import Iterator
from pathlib import Path

from recloop.app.readout import read_trial
from recloop.errors import ConflictError, SettingError
from recloop.experiments import Experiment
from recloop.experiments.designs import is_interleaving
from recloop.loop.gate import Check, group_check
from recloop.loop.promote import promote, release_at
from recloop.loop.release import Release, alike, load
from recloop.store import Store
from recloop.store.experiments import DRAFT, ExperimentRecord
from recloop.store.releases import ReleaseRecord

GATE = "groups of users"


def promote_checked(
    store: Store, folder: Path, now: float, *, actor: str, force: bool = False, reason: str = ""
) -> ReleaseRecord:
    """Make the release in a folder the active one, where its gate lets it.

    Args:
        store: the releases, and the experiments that tell how groups of users fare.
        folder: of the release.
        now: seconds since 1970.
        actor: who asks.
        force: go past the gate; the reason and what the gate said are written into the audit log.
        reason: why; needed where ``force`` is set.

    Raises:
        ConflictError: the gate is shut; or another release has the same name.
        SettingError: it is to be forced without a reason.
        MissingError, ArtifactError: see ``loop.promote.promote``.
    """
    return promote(store, folder, actor=actor, detail=passed(store, folder, now, force=force, reason=reason))


def passed(store: Store, folder: Path, now: float, *, force: bool = False, reason: str = "") -> str:
    """What the audit line says of the gate; see ``promote_checked``.

    Raises:
        ConflictError: the gate is shut.
        SettingError: it is to be forced without a reason.
        MissingError: see ``loop.promote.release_at``.
        ArtifactError: a release is damaged.
    """
    if force and not reason.strip():
        raise SettingError("a release is to be forced past its gate without a reason", advice="say why")
    found = held_to(store, release_at(folder), now)
    if found.passed:
        return reason.strip()
    if not force:
        raise ConflictError(
            f"the gate of the release is shut: {found.sentence.rstrip('.')}",
            allowed="[gate] worst_group of its plan must hold",
            advice="run an experiment with its policy, or force it with a reason",
        )
    return f"past its gate: {reason.strip()} ({found.sentence})"


def held_to(store: Store, release: Release, now: float) -> Check:
    """Whether the gate of a release holds: ``[gate]`` of the plan that made it.

    A release asks for nothing where its plan does not, where no release answers yet, and where its default policy is
    the one that answers already: retrained, and otherwise the same. Else the newest experiment that tried this policy
    over these very strategies must show that no group of users fares worse by more than is tolerated.

    Args:
        store: experiments and what their users did.
        release: that is to answer.
        now: seconds since 1970.

    Raises:
        ArtifactError: the release that answers is damaged.
    """
    if release.gate.worst_group is None:
        return Check(GATE, True, "Nothing is asked of groups of users.")
    active = store.releases.active()
    if active is None:
        return Check(GATE, True, "No release answers yet, so no group can fare worse than now.")
    policy = release.default_policy
    if load(Path(active.path)).default_policy == policy:
        return Check(GATE, True, f"'{policy}' answers already.")
    for record, treatment, shown in _tried(store, release):
        trial = read_trial(store, record.name, now, shown=shown, rules=release.gate, treatment=treatment, find=False)
        if trial.readout.hidden:
            return Check(GATE, False, f"Experiment '{record.name}' must not be read: {trial.readout.hidden}")
        found = group_check(trial.experience.fairness if trial.experience else None, release.gate)
        return Check(GATE, found.passed, f"{found.sentence.rstrip('.')} (experiment '{record.name}').")
    return Check(GATE, False, f"No experiment has tried '{policy}' over the strategies of this release.")


def _tried(store: Store, release: Release) -> Iterator[tuple[ExperimentRecord, str, Release]]:
    """The experiments that tried its default policy over its strategies, the newest first; variant and release."""
    folders = {record.name: Path(record.path) for record in store.releases.all()}
    for record in reversed(store.experiments.all()):
        if record.state == DRAFT or is_interleaving(record.definition):
            continue
        experiment = Experiment.parse(record.definition)
        tried = [name for name in experiment.treatments if experiment.variants[name].policy == release.default_policy]
        if not tried:
            continue
        for name in store.decisions(experiment=record.name)["release"].unique().sort().to_list():
            if name in folders and alike(folders[name], release.folder, release.default_policy):
                yield record, tried[0], load(folders[name])
                break
