"""Made-up slate logs with one planted problem, or a trap that is none: what the problem finder is judged by."""

from collections.abc import Callable, Mapping

import numpy as np

from recloop.errors import SettingError, nearest
from recloop.simulate.slate_log import DAY, PROVIDERS, START, Draft, Planted, Truth, draft, finished

__all__ = ["START", "WORLDS", "Planted", "planted"]


def planted(name: str, rng: np.random.Generator, *, size: float = 1.0, slates: int = 90_000, days: int = 28) -> Planted:
    """A made-up log of a name in ``WORLDS``.

    Users differ in how much they come (log-normal), in what they click (log-normal) and in what they are; weekdays
    differ by a fifth, and more on phones than on the web. A release goes out on one day, and nothing hangs on it unless
    the world says so.

    Args:
        name: of the world.
        rng: decides everything.
        size: of the planted effect: 1 is full, 0.5 is half.
        slates: about how many.
        days: that the log spans.

    Raises:
        SettingError: there is no such world.

    >>> world = planted("regression", np.random.default_rng(1), slates=2000)
    >>> sorted(world.where), world.trap, planted("noise", np.random.default_rng(1), slates=2000).trap
    (['app', 'device'], False, True)
    """
    if name not in WORLDS:
        raise SettingError(f"there is no planted world '{name}'", advice=nearest(name, WORLDS))
    world, arms = WORLDS[name]
    made = draft(rng, slates, days)
    truth = world(made, size, days)
    return finished(name, made, truth, arms=arms)


def _pick(draft: Draft, days: int) -> int:
    return int(draft.rng.integers(days // 2, days - 5))


def _regression(draft: Draft, size: float, days: int) -> Truth:
    where, day = {"app": "5.2", "device": "android"}, _pick(draft, days)
    hurt = draft.slice(where) & (draft.day >= day)
    draft.click = draft.click * np.where(hurt, 1 - 0.45 * size, 1)
    return Truth(where, ("slate_ctr",), day, complaints=hurt)


def _latency(draft: Draft, size: float, days: int) -> Truth:
    where, day = {"region": str(draft.rng.choice(["south", "east", "west"]))}, _pick(draft, days)
    hurt = draft.slice(where) & (draft.day >= day)
    draft.latency = draft.latency * np.where(hurt, 1 + 0.6 * size, 1)
    draft.click = draft.click * np.where(hurt, 1 - 0.2 * size, 1)
    return Truth(where, ("latency",), day)


def _repetition(draft: Draft, size: float, days: int) -> Truth:  # noqa: ARG001
    treated = draft.slice({"variant": "treatment"})
    draft.repeats = draft.repeats + np.where(treated, 0.12 * size, 0)
    draft.click = draft.click * np.where(treated, 1 - 0.1 * size, 1)
    return Truth({}, ("repeat_exposure",))


def _owned(draft: Draft, size: float, days: int) -> Truth:
    day = _pick(draft, days)
    hurt = draft.slice({"surface": "detail"}) & (draft.day >= day)
    draft.owned = draft.owned + np.where(hurt, 0.06 * size, 0)
    return Truth({"surface": "detail"}, ("owned_rate",), day)


def _gap(draft: Draft, size: float, days: int) -> Truth:  # noqa: ARG001
    where = ({"gender": "f"}, {"age": "60+"}, {"age": "18-24"})[int(draft.rng.integers(3))]
    hurt = draft.slice({**where, "variant": "treatment"})
    draft.click = draft.click * np.where(hurt, 1 - 0.3 * size, 1)
    return Truth(where, ("slate_ctr",))


def _starved(draft: Draft, size: float, days: int) -> Truth:
    provider, day = str(draft.rng.choice(PROVIDERS[:8])), _pick(draft, days)
    return Truth({"provider": provider}, ("exposure",), day, starved=(provider, day, 1 - 0.75 * size))


def _click_bait(draft: Draft, size: float, days: int) -> Truth:  # noqa: ARG001
    treated = draft.slice({"variant": "treatment"})
    draft.click = draft.click * np.where(treated, 1 + 0.2 * size, 1)
    draft.stars = draft.stars - np.where(treated, 0.5 * size, 0)
    return Truth({}, ("satisfaction",))


def _hidden_srm(draft: Draft, size: float, days: int) -> Truth:  # noqa: ARG001
    lost = draft.slice({"variant": "treatment", "device": "ios"})
    gone = draft.rng.random(int(draft.user.max()) + 1) < 0.35 * size
    draft.keep(~(lost & gone[draft.user]))
    return Truth(None, invalid=True)


def _cold(draft: Draft, size: float, days: int) -> Truth:
    where, day = {"tenure": "new"}, _pick(draft, days)
    draft.empty = draft.empty + np.where(draft.slice(where) & (draft.day >= day), 0.3 * size, 0)
    return Truth(where, ("empty_rate",), day)


def _push(draft: Draft, size: float, days: int) -> Truth:
    return Truth({"item": "i150"}, ("attack",), _pick(draft, days), pushed=round(80 * size))


def _noise(draft: Draft, size: float, days: int) -> Truth:  # noqa: ARG001
    return Truth(None)


def _season(draft: Draft, size: float, days: int) -> Truth:  # noqa: ARG001
    turn = draft.rng.integers(7)
    wave = np.isin((draft.time // DAY + turn) % 7, (5, 6))
    draft.click = draft.click * np.where(wave, 1 - 0.4 * size, 1)
    draft.latency = draft.latency * np.where(wave & draft.slice({"region": "south"}), 1 + 0.4 * size, 1)
    return Truth(None)


def _mix(draft: Draft, size: float, days: int) -> Truth:
    draft.click = draft.click * np.where(draft.slice({"device": "web"}), 0.5, 1.2)
    away = (draft.day >= _pick(draft, days)) & ~draft.slice({"device": "web"})
    draft.keep(~(away & (draft.rng.random(draft.user.size) < 0.5 * size)))
    return Truth(None)


def _tiny(draft: Draft, size: float, days: int) -> Truth:
    few = draft.rng.choice(np.unique(draft.user), 6, replace=False)
    rows = np.isin(draft.user, few)
    draft.columns["region"] = np.where(rows, "island", draft.columns["region"])
    draft.click = np.where(rows & (draft.day >= _pick(draft, days)), draft.click * (1 - size), draft.click)
    return Truth(None)


def _novelty(draft: Draft, size: float, days: int) -> Truth:
    since = draft.day - int(draft.rng.integers(days // 5, days // 3))
    draft.click = draft.click * (1 + np.where(since >= 0, 0.3 * size * 0.5 ** (np.maximum(since, 0) / 3), 0))
    return Truth(None)


def _heavy(draft: Draft, size: float, days: int) -> Truth:  # noqa: ARG001
    """A few users with hundreds of slates each, whose own habits drift from day to day."""
    people = np.unique(draft.user)
    heavy = draft.rng.choice(people, max(people.size // 150, 3), replace=False)
    more = np.concatenate([np.arange(draft.user.size), np.repeat(np.flatnonzero(np.isin(draft.user, heavy)), 25)])
    draft.keep(more)
    extra = np.isin(draft.user, heavy)
    draft.time = np.where(extra, START + (draft.day + draft.rng.random(draft.user.size)) * DAY * 0.9999, draft.time)
    mood = draft.rng.lognormal(0, 0.7 * size, (people.max() + 1, 4))
    draft.click = draft.click * np.where(extra, mood[draft.user, np.clip(draft.day // 8, 0, 3)], 1)
    return Truth(None)


World = Callable[[Draft, float, int], Truth]
WORLDS: Mapping[str, tuple[World, bool]] = {
    "regression": (_regression, False),
    "latency": (_latency, False),
    "repetition": (_repetition, True),
    "already_bought": (_owned, False),
    "gap": (_gap, True),
    "starved": (_starved, False),
    "click_bait": (_click_bait, True),
    "hidden_srm": (_hidden_srm, True),
    "cold": (_cold, False),
    "push": (_push, False),
    "noise": (_noise, False),
    "noise_arms": (_noise, True),
    "season": (_season, False),
    "mix": (_mix, False),
    "tiny": (_tiny, False),
    "novelty": (_novelty, False),
    "novelty_arms": (_novelty, True),
    "heavy": (_heavy, False),
    "heavy_arms": (_heavy, True),
}
"""Name → what is planted, and whether arms are compared."""
