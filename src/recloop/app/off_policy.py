"""Policies judged by what was logged: by a file, or by the store's decisions and what followed them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from recloop.app.by_place import by_place
from recloop.app.own_slates import decisions_of
from recloop.app.replay import Replay
from recloop.compose.plackett_luce import PROPENSITIES
from recloop.errors import DataError, MissingError, SettingError, nearest
from recloop.evaluate.off_policy import Gate, Judgement, Logged, Target, judge_policies
from recloop.evaluate.off_policy.reading import matrix, read_log, targets_of
from recloop.loop.release import Release, load
from recloop.metrics.outcomes import DAY, slate_table
from recloop.progress import SILENT, Progress
from recloop.store import Store

REWARDS = {"click": "clicked_slates", "clicks": "clicks", "purchases": "purchases", "revenue": "revenue"}
UNITS = ("slate", "place")


def judge_file(
    path: Path,
    wanted: tuple[str, ...] = (),
    *,
    estimator: str = "sndr",
    alpha: float = 0.05,
    seed: int = 0,
    gate: Gate | None = None,
    progress: Progress = SILENT,
) -> Judgement:
    """Judge policies by a log in a file or an Open Bandit folder; see ``reading.targets_of`` for their names.

    Raises:
        MissingError: there is no such log.
        SettingError: a policy or estimator that is not known.
        DataError: the log cannot be used.
    """
    log, table = read_log(path)
    targets = targets_of(log, table, wanted)
    return judge_policies(
        log, targets, rng=np.random.default_rng(seed), estimator=estimator, alpha=alpha, gate=gate, source=str(path),
        progress=progress,
    )  # fmt: skip


def judge_store(
    store: Store,
    wanted: tuple[str, ...] = (),
    *,
    release: Path | None = None,
    logged: str = "",
    unit: str = "slate",
    reward: str = "click",
    window: float = DAY,
    estimator: str = "sndr",
    alpha: float = 0.05,
    seed: int = 0,
    gate: Gate | None = None,
    progress: Progress = SILENT,
) -> Judgement:
    """Judge policies by the decisions of a policy whose arms had written chances, and by what followed them.

    By ``slate`` the arm is what was done, and the reward that of the slate. By ``place`` it is the item at each place,
    and the reward a click there: its probability is that of all arms which would have shown it, found by replaying them
    on histories as they were; so a policy is judged that is none of the arms, where it shows what they could have.

    Args:
        store: decisions and events.
        wanted: ``uniform``, ``always:ARM``, or policies of the release; everything that can be judged where empty.
        release: folder; the active one where None.
        logged: the policy whose decisions are read; that with the most where "".
        unit: ``slate`` or ``place``.
        reward: ``click`` (whether the slate got one), ``clicks``, ``purchases`` or ``revenue``; ``click`` by place.
        window: seconds after a decision in which events count for it.
        estimator: see ``judge_policies``.
        alpha: error rate of intervals.
        seed: of what is drawn.
        gate: see ``judge_policies``.
        progress: told how far it is.

    Raises:
        DataError: no decision has arms with chances.
        SettingError: a policy, unit or reward that is not known.
        MissingError: there is no release, and a policy of one is wanted.
    """
    _known("unit", unit, UNITS)
    _known("reward", reward, tuple(REWARDS))
    decisions = _decisions(store, logged, unit)
    name = str(decisions["policy"][0])
    slates = slate_table(decisions, store.events(since=float(decisions["time"].min())), window)  # type: ignore[arg-type]
    decisions = decisions.join(slates, left_on="id", right_on="decision", how="left", maintain_order="left")
    folder = release or (Path(active.path) if (active := store.releases.active()) else None)
    found = load(folder) if folder is not None and (unit == "place" or _needs(wanted)) else None
    with progress.task(f"Read {decisions.height:,} slates and what followed"):
        log, targets, left_out = (
            (*_by_slate(store, decisions, wanted, found, reward), "")
            if unit == "slate"
            else by_place(store, decisions, wanted, found, window)
        )
    judged = judge_policies(
        log, targets, rng=np.random.default_rng(seed), estimator=estimator, alpha=alpha, gate=gate, progress=progress,
        source=f"{decisions.height:,} slates of policy {name} in {store.name}",
    )  # fmt: skip
    return replace(judged, left_out=left_out)


def _known(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise SettingError(f"there is no {what} '{name}'", advice=nearest(name, names))


def _decisions(store: Store, logged: str, unit: str) -> pl.DataFrame:
    """Those of one policy that have written chances, in the order of time."""
    chances = pl.col("allocation") != ""
    if unit == "place":
        chances |= pl.col("details").str.contains(f'"{PROPENSITIES}"', literal=True)
    everything = decisions_of(store, "", 0.0).filter(chances & ~pl.col("forced"))
    policies = everything["policy"].value_counts(sort=True)
    if logged and logged not in policies["policy"]:
        raise SettingError(
            f"no decision of the policy '{logged}' has arms with chances", advice=nearest(logged, policies["policy"])
        )
    if not policies.height:
        raise DataError(
            f"no decision in {store.name} has arms with chances, so nothing can be weighed",
            advice="serve a policy of kind 'thompson' with a floor: its decisions hold the chance of every arm",
        )
    name = logged or str(policies["policy"][0])
    return everything.filter(pl.col("policy") == name).sort("time", "id").with_columns(variant=pl.lit("all"))


def _needs(wanted: tuple[str, ...]) -> bool:
    """Whether a word may name a policy of a release."""
    return not wanted or any(word != "uniform" and not word.startswith("always:") for word in wanted)


def _by_slate(
    store: Store, decisions: pl.DataFrame, wanted: tuple[str, ...], release: Release | None, reward: str
) -> tuple[Logged, list[Target]]:
    written = [json.loads(text) for text in decisions["allocation"].to_list()]
    arms = sorted({arm for row in written for arm in row})
    value = decisions[REWARDS[reward]]
    if value.null_count():
        raise DataError(f"no event of the kind that '{reward}' reads was ever sent", advice="choose another --reward")
    log = Logged.of(
        decisions["arm"].to_numpy(), value.cast(pl.Float64), decisions["propensity"], names=arms,
        behaviour=matrix(written, arms), users=decisions["user"].to_list(),
    )  # fmt: skip
    policies = {} if release is None else release.policies
    own = {key: policy for key, policy in policies.items() if len(policy.arms) > 1 and set(policy.arms) <= set(arms)}
    words = wanted or (*own, "uniform", *(f"always:{arm}" for arm in arms))
    targets = []
    for word in words:
        if word in own and release is not None:
            policy = own[word]
            state = store.policy_states.get(release.name, word) or policy.initial_state()
            chances = np.zeros(len(arms))
            replayed = Replay.of(store, decisions.head(1), release)
            chances[[arms.index(arm) for arm in policy.arms]] = policy.propensities(state, replayed.histories)[0]
            targets.append(Target.of(word, log, chances))
        elif word == "uniform" or word.startswith("always:"):
            targets += targets_of(log, pl.DataFrame(), [word])
        else:
            _no_such(word, release, [*own, "uniform", *(f"always:{arm}" for arm in arms)])
    return log, targets


def _no_such(word: str, release: Release | None, names: list[str]) -> None:
    if release is None:
        raise MissingError(f"there is no release, so no policy '{word}'", advice="name one with --release")
    if word in release.policies:
        raise SettingError(
            f"the policy '{word}' has other arms than what logged", advice="judge it by what it shows: --unit place"
        )
    raise SettingError(f"there is no policy '{word}'", advice=nearest(word, [*names, *release.policies]))
