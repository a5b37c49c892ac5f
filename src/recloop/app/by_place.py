"""Decisions of the store as rounds of single places: the item, the probability of it, and whether it was clicked."""

import json

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.app.replay import Replay
from recloop.errors import DataError, MissingError, SettingError, nearest
from recloop.evaluate.off_policy import Logged, Target
from recloop.evaluate.off_policy.reading import matrix
from recloop.loop.release import Release
from recloop.store import Store

PROPENSITIES = "propensities"  # in a decision's details: that of the item at each place
FOUND = 0.5  # least share of what was shown that replaying must find again


def by_place(
    store: Store, decisions: pl.DataFrame, wanted: tuple[str, ...], release: Release | None, window: float
) -> tuple[Logged, list[Target]]:
    """One round for each place of each slate, and the policies of a release as targets.

    The probability of an item at a place is the one that its decision wrote down, or that of all arms which show it
    there when they are replayed on the history as it was.

    Args:
        store: events.
        decisions: of one policy, with written chances.
        wanted: policies of the release; all of them where empty.
        release: what is replayed.
        window: seconds after a decision in which clicks count.

    Raises:
        MissingError: there is no release.
        SettingError: it lacks a policy.
        DataError: replaying finds less than half of what was shown: another release served then.
    """
    if release is None:
        raise MissingError("there is no release to replay", advice="name one with --release")
    for word in wanted:
        if word not in release.policies:
            raise SettingError(f"there is no policy '{word}'", advice=nearest(word, release.policies))
    replay = Replay.of(store, decisions, release)
    shown, row, place = replay.shown()
    propensity, slates = _propensities(decisions, replay, release)
    kept = propensity > 0
    if not kept.any() or kept.mean() < FOUND:
        raise DataError(
            f"replaying the arms of '{decisions['policy'][0]}' finds {kept.mean():.0%} of what was shown",
            allowed=f"at least {FOUND:.0%} must be found again",
            advice="give the release that served then",
        )
    log = Logged.of(
        release.items.array[shown[kept]].astype(str),
        _clicked(store, decisions, release.items.array[shown[kept]], row[kept], window),
        np.minimum(propensity[kept], 1.0),
        positions=place[kept] + 1,
        users=decisions["user"].gather(row[kept]).to_list(),
    )
    targets = []
    for word in wanted or tuple(release.policies):
        policy = release.policies[word]
        state = store.policy_states.get(release.name, word) or policy.initial_state()
        share = policy.propensities(state, replay.histories)
        hit: NDArray[np.float64] = np.zeros(len(shown))
        for number, arm in enumerate(policy.arms):
            items = slates[arm] if word == decisions["policy"][0] and arm in slates else replay.slates(policy.arm(arm))
            hit += share[row, number] * (items[row, place] == shown)
        targets.append(Target(word, np.minimum(hit[kept], 1.0)))
    return log, targets


def _propensities(
    decisions: pl.DataFrame, replay: Replay, release: Release
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int32]]]:
    """(m,) of each item shown, 0 where nobody knows; and what each arm of the policy that logged shows."""
    shown, row, place = replay.shown()
    lengths = decisions["items"].list.len().to_list()
    told = [json.loads(text).get(PROPENSITIES, []) if text else [] for text in decisions["details"].to_list()]
    if [len(each) for each in told] == lengths:
        return np.array([chance for each in told for chance in each], dtype=np.float64)[_known(replay, lengths)], {}
    name = str(decisions["policy"][0])
    if name not in release.policies:
        raise SettingError(
            f"release '{release.name}' has no policy '{name}', whose decisions these are",
            advice="give the release that served then",
        )
    policy, written = release.policies[name], [json.loads(text or "{}") for text in decisions["allocation"].to_list()]
    arms = sorted({*policy.arms, *(arm for each in written for arm in each)})
    chances = matrix(written, arms)
    slates = {arm: replay.slates(policy.arm(arm)) for arm in policy.arms}
    found = np.zeros(len(shown))
    for arm, items in slates.items():
        found += chances[row, arms.index(arm)] * (items[row, place] == shown)
    return found, slates


def _known(replay: Replay, lengths: list[int]) -> NDArray[np.bool_]:
    """Of all places in their order, those whose item the release knows."""
    filled = np.less(np.arange(replay.items.shape[1]), np.array(lengths)[:, None])
    known: NDArray[np.bool_] = (replay.items >= 0)[filled]
    return known


def _clicked(
    store: Store, decisions: pl.DataFrame, items: NDArray[np.object_], row: NDArray[np.int64], window: float
) -> NDArray[np.float64]:
    """(m,) whether a click that names the decision came in time for the item."""
    since = float(decisions["time"].min())  # type: ignore[arg-type]
    clicks = store.events(since=since).filter((pl.col("kind") == "click") & pl.col("decision").is_not_null())
    near = clicks.join(decisions.select(decision="id", shown="time"), on="decision")
    near = near.filter(pl.col("time") - pl.col("shown") < window).select("decision", "item").unique()
    places = pl.DataFrame({"decision": decisions["id"].gather(row), "item": pl.Series(items.tolist(), dtype=pl.String)})
    hit = places.join(near.with_columns(clicked=1.0), on=["decision", "item"], how="left", maintain_order="left")
    return hit["clicked"].fill_null(0.0).to_numpy()
