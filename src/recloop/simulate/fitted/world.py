from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp

from recloop.data.dataset import Dataset
from recloop.data.slates import SlateLog
from recloop.errors import SettingError, nearest
from recloop.progress import SILENT, Progress
from recloop.simulate.clicks import ClickModel, Judged, PositionBased, best_model
from recloop.simulate.clicks.dependent import fit_cascade, fit_dynamic_bayesian
from recloop.simulate.clicks.position import fit_position_based
from recloop.simulate.fitted.activity import Activity, fit_activity
from recloop.simulate.fitted.known import Known
from recloop.simulate.fitted.preferences import Preferences, fit_preferences
from recloop.simulate.fitted.settings import Simulate

PLACES = 10  # of the slate that the usual mood and the click rate are stated for
BLOCK_BYTES = 64 * 2**20
FITS = {"position-based": fit_position_based, "cascade": fit_cascade, "dynamic-bayesian": fit_dynamic_bayesian}
MOST_SHOWN = 200_000  # items of slates that the attraction is fitted on

__all__ = ["FittedWorld", "Known", "fit_world"]


@dataclass(frozen=True)
class FittedWorld:
    """A simulator fitted to a log. Everything that it says is a simulation.

    Attributes:
        dataset: what it was fitted to.
        config: the knobs.
        preferences: what users want next.
        activity: how they come and go.
        clicks: how they go along a slate.
        judged: click models on held-out slates, None without a log of slates.
        attraction: (a, b, c): logit of a click on what is looked at is a + b log P(i | u) + c own_i.
        own: (n_items,) what an item attracts beyond preference, from slates; zeros without.
        level: (n_users,) log of the sum that makes preferences probabilities; ``best``: (n_users,) the mean attraction
            of the ten items that a user likes best.
        usual: the mood in which users leave as often as the log says: that of the ten most popular items.
        known: where each number comes from.
    """

    dataset: Dataset
    config: Simulate
    preferences: Preferences
    activity: Activity
    clicks: ClickModel
    judged: Judged | None
    attraction: tuple[float, float, float]
    own: NDArray[np.float64]
    level: NDArray[np.float64]
    best: NDArray[np.float64]
    usual: float
    known: tuple[Known, ...]

    @property
    def popular(self) -> NDArray[np.int64]:
        """The ten most popular items."""
        return np.argsort(-self.preferences.fame, kind="stable")[:PLACES]

    def pull(
        self,
        tastes: NDArray[np.float32],
        level: NDArray[np.float64],
        slates: NDArray[np.integer],
        last: NDArray[np.integer],
    ) -> NDArray[np.float64]:
        """(n, k) logit of a click on each item of each slate, once looked at, to a user who was never shown it.

        Args:
            tastes: (n, d).
            level: (n,), see above.
            slates: (n, k), -1 for an empty place.
            last: (n,) the item taken last, -1 for none.
        """
        a, b, c = self.attraction
        wanted = self.preferences.of(tastes, slates, last).astype(np.float64) - level[:, None]
        return np.asarray(a + b * wanted + c * self.own[slates])


def fit_world(
    dataset: Dataset, config: Simulate | None = None, *, rng: np.random.Generator, progress: Progress = SILENT
) -> FittedWorld:
    """A simulator that behaves like the users of a log.

    Args:
        dataset: events, and slates where they were kept (``dataset.slates``).
        config: the knobs.
        rng: chooses what is held out.
        progress: who watches.

    Raises:
        DataError: the log is too small, or its slates fit no click model.
        SettingError: there is no click model of that name.

    >>> from recloop.testing.strategy import small_shop
    >>> world = fit_world(small_shop(), Simulate(factors=8), rng=np.random.default_rng(0))
    >>> [known.name for known in world.known if not known.fitted][:2]
    ['attention', 'attraction']
    """
    config = config or Simulate()
    if config.clicks not in {"auto", *FITS}:
        raise SettingError(f"[simulate] clicks is '{config.clicks}'", advice=nearest(config.clicks, ["auto", *FITS]))
    preferences = fit_preferences(
        dataset, factors=config.factors, held_out=config.held_out, follow=config.follow, rng=rng, progress=progress
    )
    activity = fit_activity(dataset, config)
    weights = ", ".join(
        f"{name} {weight:.2f}" for name, weight in zip(("taste", "fame", "follow"), preferences.weights, strict=True)
    )
    known = [Known("preferences", weights, True, "conditional logit on held-out events"), *activity.known]
    slates, judged = dataset.slates, None
    if slates is None or not len(slates):
        clicks: ClickModel = PositionBased.falling(config.attention, 200)
        own = np.zeros(dataset.n_items)
        known.append(
            Known(
                "attention", f"(1 + j)^-{config.attention:g}", False, "the log has no slates: the default examination"
            )
        )
    else:
        judged = best_model(slates, dataset.n_items, rng)
        found = judged.best if config.clicks == "auto" else FITS[config.clicks](slates, dataset.n_items)
        clicks, own = found.model, logit(np.clip(found.attraction, 1e-4, 1 - 1e-4))
        shown = np.bincount(slates.items[slates.items >= 0], minlength=dataset.n_items) > 0
        own = np.where(shown, own - own[shown].mean(), 0.0)
        known.append(Known("attention", clicks.name, True, f"{len(slates):,} slates; least held-out perplexity"))
    level, tops = _levels(preferences)
    if slates is None or judged is None:
        pull = _assumed(preferences, level, config.click_rate)
        known.append(
            Known("attraction", f"{config.click_rate:g}", False, "of popular items, where there are no slates")
        )
    else:
        pull = _attraction(preferences, level, clicks, own, slates, judged, rng)
        known.append(Known("attraction", ", ".join(f"{x:.2f}" for x in pull), True, "logit of clicks given a look"))
    known += [
        Known("fatigue, owned", f"{config.fatigue:g}, {config.owned:g} logits", False, "a setting"),
        Known("mood", f"memory {config.memory:g}, hurt {config.hurt:g}", False, "a setting"),
        Known("another slate", f"{config.more:g}", False, "a setting"),
        Known("drift, new items, new users", f"{config.drift:g}, {config.new_items:g}, {config.new_users:g}", False,
              "a setting"),
    ]  # fmt: skip
    best = expit(pull[0] + pull[1] * (tops - level[:, None])).mean(axis=1)
    world = FittedWorld(
        dataset, config, preferences, activity, clicks, judged, pull, own, level, best, 0.5, tuple(known)
    )
    return _with_usual(world)


def _with_usual(world: FittedWorld) -> FittedWorld:
    from dataclasses import replace

    from recloop.simulate.fitted.crowd import relevance

    some = np.arange(min(2000, world.dataset.n_users))
    slates = np.tile(world.popular, (len(some), 1))
    nobody = np.full(len(some), -1)
    pull = expit(world.pull(world.preferences.users[some], world.level[some], slates, nobody))
    return replace(world, usual=float(relevance(world, slates, pull, world.best[some]).mean()))


def _levels(preferences: Preferences) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n_users,) log-sum of exp utilities, and (n_users, PLACES) the highest utilities; what follows is left out."""
    n, n_items = len(preferences.users), len(preferences.items)
    step = max(1, BLOCK_BYTES // (8 * n_items))
    levels, tops = np.empty(n), np.empty((n, min(PLACES, n_items)))
    for low in range(0, n, step):
        rows = slice(low, low + step)
        tastes = preferences.users[rows]
        utility = preferences.utility(tastes, np.full(len(tastes), -1))
        levels[rows] = logsumexp(utility, axis=1)
        tops[rows] = -np.partition(-utility, tops.shape[1] - 1, axis=1)[:, : tops.shape[1]]
    return levels, tops


def _assumed(preferences: Preferences, level: NDArray[np.float64], rate: float) -> tuple[float, float, float]:
    """The odds of a click are proportional to those of being picked freely, so that popular items attract ``rate``."""
    some = np.arange(min(2000, len(level)))
    popular = np.argsort(-preferences.fame, kind="stable")[:PLACES]
    slates = np.tile(popular, (len(some), 1))
    wanted = preferences.of(preferences.users[some], slates, np.full(len(some), -1)) - level[some, None]
    base = scipy.optimize.brentq(lambda a: float(expit(a + wanted).mean()) - rate, -50.0, 50.0)
    return float(base), 1.0, 0.0


def _attraction(
    preferences: Preferences,
    level: NDArray[np.float64],
    clicks: ClickModel,
    own: NDArray[np.float64],
    slates: SlateLog,
    judged: Judged,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """How preference and the item itself make a click on what is looked at, by maximum likelihood."""
    most = max(1, MOST_SHOWN // slates.k)
    log = slates if len(slates) <= most else slates.take(np.sort(rng.choice(len(slates), most, replace=False)))
    wanted = preferences.of(preferences.users[log.users], log.items, np.full(len(log), -1)) - level[log.users, None]
    attraction = np.clip(judged.best.of(log.items), 1e-6, 1 - 1e-6)
    looked = np.clip(clicks.given(log.items, attraction, log.clicks) / attraction, 0, 1)
    counts = (log.items >= 0) & (looked > 1e-6)
    x = np.stack([np.ones(counts.sum()), wanted[counts], own[log.items[counts]]])
    look, clicked = looked[counts], log.clicks[counts]
    centre = x[1].mean()

    def loss(weights: NDArray[np.float64]) -> float:
        chance = np.clip(look * expit(weights[0] + weights[1] * (x[1] - centre) + weights[2] * x[2]), 1e-9, 1 - 1e-9)
        return -float(np.where(clicked, np.log(chance), np.log1p(-chance)).mean())

    start = [float(logit(np.clip(clicked.mean() / max(look.mean(), 1e-6), 1e-4, 0.99))), 0.1, 1.0]
    a, b, c = scipy.optimize.minimize(loss, start, method="L-BFGS-B", bounds=[(-30, 30), (0, 3), (0, 3)]).x
    return float(a - b * centre), float(b), float(c)
