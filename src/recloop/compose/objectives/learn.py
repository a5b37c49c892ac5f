"""Learning of objectives on requests whose outcome is known: item table, ranker, scales, multipliers."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from recloop.compose.candidates import retrieve
from recloop.compose.config import SlateConfig
from recloop.compose.fusion.fuser import Fuser
from recloop.compose.objectives.catalogue import MODELLED, NEW, PROVIDER
from recloop.compose.objectives.config import ConstraintConfig, ObjectivesConfig
from recloop.compose.objectives.dual import Bound, best, multipliers
from recloop.compose.objectives.exposure import of_slates
from recloop.compose.objectives.fitted import Objectives
from recloop.compose.objectives.items import ItemTable
from recloop.compose.objectives.labels import Labels
from recloop.compose.objectives.offered import Offered
from recloop.compose.objectives.ranker import MultiTask
from recloop.compose.objectives.scale import Scale
from recloop.compose.objectives.signals import Terms
from recloop.compose.objectives.weigher import Weigher
from recloop.compose.rules import Rules
from recloop.data.dataset import Dataset
from recloop.data.rankings import Rankings
from recloop.data.split import Split
from recloop.errors import SettingError
from recloop.progress import SILENT, Progress
from recloop.stats.means import mean_interval
from recloop.strategies.base import Strategy

PLACES = 10  # of the slates that constraints are kept on
BLOCK = 512  # requests that are asked for candidates at a time


def offer(
    config: SlateConfig,
    strategies: Mapping[str, Strategy],
    split: Split,
    rows: NDArray[np.integer],
    k: int = PLACES,
    models: Mapping[str, str] | None = None,
    depth: int | None = None,
) -> Offered:
    """The candidates that a policy's sources bring for requests of a split, fused by its settings.

    Args:
        config: sources, fusion and depth.
        strategies: fitted on ``split.train``.
        split: the requests.
        rows: which of them, in which order.
        k: places of a slate.
        models: name → text of a trained fusion.
        depth: candidates that are kept of each request; the policy's own number where None.
    """
    weights = {name: weight for name, weight in config.weights.items() if weight > 0}
    fuser = Fuser(config, tuple(weights), tuple(weights.values()), models or {})
    histories, depth = split.histories.take(rows), depth or max(config.candidates, k)
    rules = Rules(hide_seen=split.hide_seen, allowed=split.allowed)
    lists: dict[str, list[Rankings]] = {name: [] for name in weights}
    fused = []
    for at in range(0, len(histories), BLOCK):
        block = histories.block(at, at + BLOCK)
        found = [retrieve(strategies[name], None, block, config.candidates, rules).rankings for name in weights]
        ranker = strategies[config.ranker].score(block) if config.ranker else None
        fused.append(fuser.fuse(found, depth, block, ranker).rankings)
        for name, one in zip(weights, found, strict=True):
            lists[name].append(one)
    whole = _joined(fused)
    return Offered(histories, whole.items, whole.scores, {name: _joined(parts) for name, parts in lists.items()}, k)


def _joined(parts: list[Rankings]) -> Rankings:
    return Rankings(np.concatenate([p.items for p in parts]), np.concatenate([p.scores for p in parts]))


def learn(
    config: SlateConfig,
    strategies: Mapping[str, Strategy],
    dataset: Dataset,
    split: Split,
    vectors: NDArray[np.float32] | None = None,
    *,
    models: Mapping[str, str] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> tuple[SlateConfig, Objectives]:
    """Learn what a policy's objectives need, and the multipliers of its constraints.

    Args:
        config: a policy with ``objectives``.
        strategies: fitted on ``split.train``.
        dataset: the log that was split; its events after the split are what came of the requests.
        split: requests to learn from; what the policy is judged by must not be in it.
        vectors: (n_items, d) item vectors, or None.
        models: name → text of a trained fusion.
        seed: of all chance.
        progress: told what is done.

    Returns:
        The policy with ``prices``, and what was learned.

    Raises:
        SettingError: the policy has no objectives, the data does not hold what one is made of, or a constraint cannot
            be met.
        DataError: too few outcomes to learn from.
        ExtraError: the model's package is not installed.
    """
    wanted = _wanted(config)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(split))[: wanted.users]
    offered = offer(config, strategies, split, rows, models=models)
    table = ItemTable.of(split.train, vectors, wanted.provider)
    ranker = None
    if any(name in MODELLED for name in wanted.names):
        labels = Labels.of(dataset, split, offered.items, rows)
        ranker = MultiTask.learn(offered, table, labels, kind=wanted.model, seed=int(rng.integers(2**31)))
        for task, found in ranker.reliability.items():
            progress.note(
                f"{task}: calibration error {found.after:.4f} (before {found.before:.4f}), AUC {found.auc:.3f}"
            )
    learned = Objectives(table, {}, ranker, Terms(wanted.half_life, wanted.new_share), wanted.provider)
    values = learned.values(offered, wanted.names)
    learned = replace(learned, scales={name: Scale.of(found, wanted.scale) for name, found in values.items()})
    return bounded(config, learned, offered, progress)


def bounded(
    config: SlateConfig, learned: Objectives, offered: Offered, progress: Progress = SILENT
) -> tuple[SlateConfig, Objectives]:
    """The policy with the multipliers of its constraints, and what they reach added to what was learned.

    Args:
        config: a policy with ``objectives``.
        learned: scales and ranker.
        offered: the candidates of this policy for the requests to learn from.
        progress: told what each constraint reached.

    Raises:
        SettingError: a constraint cannot be met.
    """
    wanted = _wanted(config)
    if not wanted.constraints:
        return config, learned
    prices, statements = constrain(wanted, learned, learned.values(offered, wanted.names), offered)
    for sentence in statements:
        progress.note(sentence)
    priced = msgspec.structs.replace(wanted, prices=prices)
    learned = replace(learned, statements=(*learned.statements, *statements))
    return msgspec.structs.replace(config, objectives=priced), learned


def _wanted(config: SlateConfig) -> ObjectivesConfig:
    if config.objectives is None:
        raise SettingError("the policy has no objectives", advice="give it a table [policy.objectives]")
    return config.objectives


def constrain(
    config: ObjectivesConfig, learned: Objectives, values: Mapping[str, NDArray[np.float64]], offered: Offered
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The multipliers of the constraints, learned on the even requests, and what they reach on the odd ones.

    Args:
        config: weights and constraints.
        learned: scales.
        values: objective or exposure → (n, m).
        offered: the candidates.

    Returns:
        Constraint → multiplier, and a sentence for each.

    Raises:
        SettingError: a constraint cannot be met.
    """
    weigher = Weigher(msgspec.structs.replace(config, prices={}), tuple(offered.sources), learned)
    scores, k = weigher.combined(values, offered.held), offered.k
    today = best(np.where(offered.held, offered.scores, -np.inf).astype(np.float64), k)
    even, odd = slice(0, None, 2), slice(1, None, 2)
    bounds = [
        Bound(c.words, values[c.of][even], _least(c, values[c.of][even], today[even])) for c in config.constraints
    ]
    found = multipliers(scores[even], bounds, k)
    prices = {c.of: price for c, price in zip(config.constraints, found.values, strict=True)}
    total = scores[odd].copy()
    for name, price in prices.items():
        total += price * np.nan_to_num(values[name][odd])
    shown = best(total, k)
    sentences = [
        _statement(c, of_slates(values[c.of][odd], shown), of_slates(values[c.of][odd], today[odd]), prices[c.of])
        for c in config.constraints
    ]
    return prices, tuple(sentences)


def _least(constraint: ConstraintConfig, values: NDArray[np.float64], today: NDArray[np.int64]) -> float:
    if not constraint.relative:
        return constraint.at_least
    return constraint.at_least * float(of_slates(values, today).mean())


def _statement(
    constraint: ConstraintConfig, reached: NDArray[np.float64], today: NDArray[np.float64], price: float
) -> str:
    """What a constraint reached on requests that its multiplier was not learned on, with the 95% interval."""
    before = float(today.mean())
    if constraint.relative and before:
        share = float(reached.mean()) / before
        # the delta method for a ratio of two means over the same requests
        around = mean_interval((reached - share * today) / before)
        low, high, value = share + around.low, share + around.high, share
        figures = f"{value:.1%} of today's ({low:.1%} to {high:.1%})"
    else:
        mean = mean_interval(reached)
        share_like = constraint.of == NEW or constraint.of.startswith(PROVIDER)
        low, high, value = mean.low, mean.high, mean.mean
        form = "{:.2%}" if share_like else "{:.4g}"
        figures = f"{form.format(value)} ({form.format(low)} to {form.format(high)}), today {form.format(before)}"
    verdict = "met" if low >= constraint.at_least else "met, within chance" if high >= constraint.at_least else "missed"
    free = " It holds without a multiplier." if not price else ""
    return f"{constraint.words}: {verdict} on {len(reached):,} other requests: {figures}.{free}"
