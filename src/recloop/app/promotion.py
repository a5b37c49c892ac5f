"""A release put in charge by a person: its gate is asked first, and going past it leaves a reason in the audit log."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from recloop.app.readout import read_trial
from recloop.compose.typed import typed
from recloop.errors import ConflictError, SettingError
from recloop.experiments import Experiment
from recloop.experiments.designs import is_interleaving
from recloop.experiments.words import listed
from recloop.loop.gate import Check, GateConfig, group_check
from recloop.loop.promote import named, promote
from recloop.loop.release import CHECKSUMS, Release, alike, header_of, load, verify
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
        MissingError: see ``loop.promote.named``.
        ArtifactError: a release is damaged.
    """
    if force and not reason.strip():
        raise SettingError("a release is to be forced past its gate without a reason", advice="say why")
    found = held_to(store, named(folder), now)
    if found.passed:
        return reason.strip()
    if not force:
        raise ConflictError(
            f"the gate of the release is shut: {found.sentence.rstrip('.')}",
            allowed="[gate] worst_group of its plan must hold",
            advice="run an experiment with its policy, or force it with a reason",
        )
    return f"past its gate: {reason.strip()} ({found.sentence})"


def held_to(store: Store, folder: Path, now: float) -> Check:
    """Whether the gate of a release holds: ``[gate]`` of the plan that made it. No strategy is loaded to know it.

    A release asks for nothing where its plan does not, where no release answers yet, and where its default policy is
    the one that answers already: retrained, and otherwise the same. Else the newest experiment that tried this policy
    over these very strategies must show that no group of users fares worse by more than is tolerated. A release whose
    folder is gone can be compared with nothing; where that leaves no experiment, the sentence says which it is.

    Args:
        store: experiments and what their users did.
        folder: of the release that is to answer.
        now: seconds since 1970.

    Raises:
        ArtifactError: the folder is no release, or what is asked is asked of a damaged one.
    """
    rules = typed(GateConfig, header_of(folder).get("gate", {}), "gate")
    if rules.worst_group is None:
        return Check(GATE, True, "Nothing is asked of groups of users.")
    active = store.releases.active()
    if active is None:
        return Check(GATE, True, "No release answers yet, so no group can fare worse than now.")
    policy = verify(folder)["default_policy"]
    there = {record.name: Path(record.path) for record in store.releases.all() if _is_there(Path(record.path))}
    if active.name in there and header_of(there[active.name])["default_policy"] == policy:
        return Check(GATE, True, f"'{policy}' answers already.")
    for record, treatment, shown in _tried(store, folder, policy, there):
        trial = read_trial(store, record.name, now, shown=shown, rules=rules, treatment=treatment, find=False)
        if trial.readout.hidden:
            return Check(GATE, False, f"Experiment '{record.name}' must not be read: {trial.readout.hidden}")
        found = group_check(trial.experience.fairness if trial.experience else None, rules)
        return Check(GATE, found.passed, f"{found.sentence.rstrip('.')} (experiment '{record.name}').")
    said = f"No experiment has tried '{policy}' over the strategies of this release."
    return Check(GATE, False, f"{said}{_lost(store, there)}")


def _is_there(folder: Path) -> bool:
    return (folder / CHECKSUMS).is_file()


def _lost(store: Store, there: Mapping[str, Path]) -> str:
    """Which releases can no longer be compared with."""
    gone = [record for record in store.releases.all() if record.name not in there]
    if not gone:
        return ""
    newest = [f"'{record.name}' ({record.path})" for record in gone[:-4:-1]]
    named_ = listed([*newest, f"{len(gone) - 3} more"] if len(gone) > 3 else newest)
    what = "folder of the release" if len(gone) == 1 else "folders of the releases"
    return (
        f" The {what} {named_} {'is' if len(gone) == 1 else 'are'} gone, so it is not known what answers there and "
        "what was tried there: put back what a backup holds, and ask again."
    )


def _tried(
    store: Store, folder: Path, policy: str, folders: Mapping[str, Path]
) -> Iterator[tuple[ExperimentRecord, str, Release]]:
    """The experiments that tried a policy over the strategies of a release, the newest first; variant and release."""
    for record in reversed(store.experiments.all()):
        if record.state == DRAFT or is_interleaving(record.definition):
            continue
        experiment = Experiment.parse(record.definition)
        tried = [name for name in experiment.treatments if experiment.variants[name].policy == policy]
        if not tried:
            continue
        for name in store.decisions(experiment=record.name, columns=("release",))["release"].unique().sort().to_list():
            if name in folders and alike(folders[name], folder, policy):
                yield record, tried[0], load(folders[name])
                break
