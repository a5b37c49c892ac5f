"""Decisions of the store as rounds of single places: the item, the probability of it, and whether it was clicked."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.app.replay import Replay
from recloop.compose import Choices
from recloop.compose.assembly import PIN
from recloop.compose.plackett_luce import PROPENSITIES
from recloop.errors import DataError, MissingError, SettingError, nearest
from recloop.evaluate.off_policy import Logged, Target
from recloop.evaluate.off_policy.reading import matrix
from recloop.loop.release import Release
from recloop.store import Store

FOUND = 0.5  # least share of what was shown that replaying must find again
CERTAIN = 1 - 1e-9  # propensity from which on nothing else could have been shown


def by_place(
    store: Store, decisions: pl.DataFrame, wanted: tuple[str, ...], release: Release | None, window: float
) -> tuple[Logged, list[Target], str]:
    """One round for each place of each slate, the policies of a release as targets, and what was left out.

    The probability of an item at a place is the one that its decision wrote down, or that of all arms which show it
    there when they are replayed on the history as it was. A place whose item a rule pins whatever is drawn is no round:
    nothing is learned there, and what a policy would earn is told of all other places. A slate under an override is
    none either, unless its chances were written down: replaying does not know of it.

    Args:
        store: events.
        decisions: of one policy, with written chances.
        wanted: policies of the release; all of them where empty.
        release: what is replayed.
        window: seconds after a decision in which clicks count.

    Raises:
        MissingError: there is no release.
        SettingError: it lacks a policy.
        DataError: every slate was under an override, every place was pinned, or replaying finds less than half of what
            was shown: another release served then.
    """
    if release is None:
        raise MissingError("there is no release to replay", advice="name one with --release")
    for word in wanted:
        if word not in release.policies:
            raise SettingError(f"there is no policy '{word}'", advice=nearest(word, release.policies))
    details = [json.loads(text) if text else {} for text in decisions["details"].to_list()]
    usable = [PROPENSITIES in one or not one.get("overrides") for one in details]
    overridden = usable.count(False)
    if overridden == len(usable):
        raise DataError(
            f"all {overridden:,} slates were under an override, which replaying does not know",
            advice="judge by the decisions of another time: without an override, or under one that only hides",
        )
    details = [one for one, kept in zip(details, usable, strict=True) if kept]
    decisions = decisions.filter(pl.Series(usable))
    replay = Replay.of(store, decisions, release)
    shown, row, place = replay.shown()
    propensity, pinned, arms = _propensities(decisions, details, replay, release)
    certain = pinned & (propensity >= CERTAIN)
    if certain.all():
        raise DataError("a rule pins the item of every place", advice="judge by slates that have others, too")
    kept = (propensity > 0) & ~certain
    if kept.sum() < FOUND * (~certain).sum():
        raise DataError(
            f"replaying the arms of '{decisions['policy'][0]}' finds {kept.sum() / (~certain).sum():.0%} of what was "
            "shown",
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
            known = word == decisions["policy"][0] and arm in arms
            items = (arms[arm] if known else replay.chosen(policy.arm(arm))).rankings.items
            hit += share[row, number] * (items[row, place] == shown)
        targets.append(Target(word, np.minimum(hit[kept], 1.0)))
    return log, targets, _left_out(overridden, int(certain.sum()), int((~certain & (propensity <= 0)).sum()))


def _left_out(overridden: int, pinned: int, strange: int) -> str:
    said = [
        f"{overridden:,} slates under an override" if overridden else "",
        f"{pinned:,} places whose item a rule pins whatever is drawn" if pinned else "",
        f"{strange:,} places with items that replaying does not find there" if strange else "",
    ]
    return ", ".join(one for one in said if one)


def _propensities(
    decisions: pl.DataFrame, details: Sequence[Mapping[str, Any]], replay: Replay, release: Release
) -> tuple[NDArray[np.float64], NDArray[np.bool_], dict[str, Choices]]:
    """Of each item shown its probability, 0 where nobody knows, and whether a rule may have pinned it; what arms show.

    Whether it is pinned hangs on the place and the history alone, not on what was drawn: else leaving out such rounds
    would favour some draws.
    """
    shown, row, place = replay.shown()
    lengths = decisions["items"].list.len().to_list()
    told = [one.get(PROPENSITIES, []) for one in details]
    if [len(each) for each in told] == lengths:
        known = _known(replay, lengths)
        chances = np.array([chance for each in told for chance in each], dtype=np.float64)
        pins = np.array([each == PIN for by in decisions["sources"].to_list() for each in by], dtype=bool)
        return chances[known], pins[known], {}
    name = str(decisions["policy"][0])
    if name not in release.policies:
        raise SettingError(
            f"release '{release.name}' has no policy '{name}', whose decisions these are",
            advice="give the release that served then",
        )
    policy, written = release.policies[name], [json.loads(text or "{}") for text in decisions["allocation"].to_list()]
    names = sorted({*policy.arms, *(arm for each in written for arm in each)})
    share = matrix(written, names)
    arms = {arm: replay.chosen(policy.arm(arm)) for arm in policy.arms}
    found, pinned = np.zeros(len(shown)), np.zeros(len(shown), dtype=bool)
    for arm, choices in arms.items():
        found += share[row, names.index(arm)] * (choices.rankings.items[row, place] == shown)
        pinned |= choices.sources[row, place] == PIN
    return found, pinned, arms


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
