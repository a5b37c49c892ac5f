"""Off-policy estimates: bias, error and coverage in simulated worlds, many actions, two real logs, and a peer's answers.

    python benchmarks/off_policy.py                        # all of it, as in README.md
    python benchmarks/off_policy.py --worlds 20 --sets 3 --actions 10 200
    python benchmarks/off_policy.py --gate 500             # what the gate lets pass, near and far, and nothing else

The peer is the Open Bandit Pipeline (obp); its part is left out where it is not installed.
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from recloop.evaluate.off_policy import (
    Knowledge,
    Logged,
    Objection,
    Target,
    anytime,
    category_tables,
    category_weights,
    cross_fitted,
    diagnose,
    estimates,
    ips,
    judge_policies,
    propensity_calibration,
    self_normalised_doubly_robust,
    snips,
)
from recloop.evaluate.off_policy.choice import slope
from recloop.evaluate.off_policy.gate import objections
from recloop.evaluate.off_policy.judge import interval_of
from recloop.evaluate.off_policy.reading import as_shown, open_bandit_log
from recloop.evaluate.off_policy.score_interval import weights_to_come

Array = NDArray[np.float64]
SETTINGS = ((10, 2000, 0.0, 1.0), (20, 2000, -0.5, 1.0), (20, 10_000, 0.0, 2.0), (100, 5000, -0.5, 1.0))
GATED = (
    (10, 2000, 0.0, 1.0), (10, 1000, 0.0, 0.5), (20, 10_000, 0.0, 2.0), (20, 2000, -0.5, 1.0), (50, 1000, 0.0, 1.5),
    (20, 3000, -0.7, 1.2), (20, 2000, -0.8, 1.3), (50, 3000, -0.3, 2.0),
)  # fmt: skip
TRUTH = {"random→bts": 0.0067, "bts→random": 0.0051}  # click rates of the full logs
BLOCK = 1000
FEW = 1000  # actions up to which fewer categories are tried too


# ---- every estimator in simulated worlds


def simulate(worlds: int) -> None:
    """Clicks of about 5%, softmax policies of logistic tastes; errors as a share of the true value."""
    print("\nSimulated worlds: bias and root mean squared error in % of the truth, and coverage of 95% intervals")
    for actions, rounds, logging, wanted in SETTINGS:
        start, found, passes, kept = time.process_time(), {}, [], 0
        taste, level, truth = _world(actions, wanted)
        for seed in range(worlds):
            rng = np.random.default_rng([seed, actions, rounds])
            log, target = _draw(rng, taste, level, rounds, logging, wanted)
            model = cross_fitted(log.actions, log.rewards, actions, rng, features=log.features)
            made = estimates(log, target, Knowledge(model, taste.T))
            factor = weights_to_come(log, target, target.chances / log.propensities, model)
            for name, terms in made.items():
                found.setdefault(name, []).append((terms.value, *interval_of(terms, name, log, factor)[:2]))
            for how, ends in (("bootstrap", made["sndr"].bootstrap(rng)), ("t", made["sndr"].interval())):
                found.setdefault(f"sndr, {how}", []).append((made["sndr"].value, ends.low, ends.high))
            passes.append(not any(entry.refuses for entry in _against(log, target, factor)))
            if seed < worlds // 5:
                largest = float((target.distribution / log.behaviour).max())  # type: ignore[operator]
                band = anytime(target.chances / log.propensities, log.rewards, largest=largest, grid=500)
                kept += int(band.low[-1] <= truth <= band.high[-1])
        passed = np.array(passes)
        _, low, high = np.array(found["sndr"]).T
        held = (low <= truth) & (truth <= high)
        print(f"\n{actions} actions, {rounds:,} rounds, truth {truth:.4f}, {worlds} worlds, "
              f"{time.process_time() - start:.0f} CPU s; the gate let {passed.sum()} pass, of which sndr covered "
              f"{_share(held[passed])}, of those refused {_share(held[~passed])}; "
              f"anytime intervals held in {kept} of {worlds // 5}")  # fmt: skip
        for name, rows in found.items():
            value, low, high = np.array(rows).T
            print(f"  {name:16s} bias {value.mean() / truth - 1:+7.1%}   error {np.sqrt(np.mean((value - truth) ** 2)) / truth:6.1%}"
                  f"   coverage {np.mean((low <= truth) & (truth <= high)):.3f}")  # fmt: skip


def gate(worlds: int, first: int = 9000) -> None:
    """How many logs the gate lets pass, and in which share of them, and of those refused, the interval holds."""
    print("\nThe gate: of logs in settings near and far, what passes and whether the 95% interval of sndr holds")
    for actions, rounds, logging, wanted in GATED:
        start = time.process_time()
        taste, level, truth = _world(actions, wanted)
        passed, held = np.zeros(worlds, bool), np.zeros(worlds, bool)
        for at in range(worlds):
            rng = np.random.default_rng([first + at, actions, rounds])
            log, target = _draw(rng, taste, level, rounds, logging, wanted)
            model = cross_fitted(log.actions, log.rewards, actions, rng, features=log.features)
            weights = target.chances / log.propensities
            expected, worth = model[np.arange(rounds), log.actions], (target.distribution * model).sum(axis=1)
            terms = self_normalised_doubly_robust(weights, log.rewards, expected, worth)
            factor = weights_to_come(log, target, weights, model)
            low, high, _ = interval_of(terms, "sndr", log, factor)
            held[at] = low <= truth <= high
            passed[at] = not any(entry.refuses for entry in _against(log, target, factor))
        print(f"  {actions:3d} actions, {rounds:6,} rounds, temperatures {logging:g} and {wanted:g}: {passed.sum()} of {worlds} "
              f"pass, of which {_share(held[passed])} hold, and of the refused {_share(held[~passed])}; "
              f"{time.process_time() - start:.0f} CPU s", flush=True)  # fmt: skip


def _world(actions: int, wanted: float) -> tuple[Array, Array, float]:
    """Tastes, levels, and the true click rate of the policy that is wanted."""
    taste = np.random.default_rng(7).normal(size=(5, actions)) / np.sqrt(5)
    level = np.random.default_rng(8).normal(size=actions) / 2
    score = level + np.random.default_rng(9).normal(size=(200_000, 5)) @ taste
    return taste, level, float((softmax(wanted * score, axis=1) * expit(score - 3)).sum(axis=1).mean())


def _share(held: NDArray[np.bool_]) -> str:
    return f"{held.mean():.3f}" if held.size else "–"


def _against(log: Logged, target: Target, factor: float) -> tuple[Objection, ...]:
    weights = target.chances / log.propensities
    calibration = propensity_calibration(log.actions, log.propensities, len(log.names), log.behaviour)
    return objections(log, target, weights, diagnose(weights), calibration, factor=factor)


def _draw(
    rng: np.random.Generator, taste: Array, level: Array, rounds: int, logging: float, wanted: float
) -> tuple[Logged, Target]:
    x = rng.normal(size=(rounds, len(taste)))
    score = level + x @ taste
    behaviour = softmax(logging * score, axis=1)
    done = (rng.random(rounds)[:, None] > behaviour.cumsum(axis=1)).sum(axis=1).clip(0, len(level) - 1)
    row = np.arange(rounds)
    names = np.array([f"{n:04d}" for n in range(len(level))])
    clicks = (rng.random(rounds) < expit(score - 3)[row, done]) * 1.0
    log = Logged.of(names[done], clicks, behaviour[row, done], names=names.tolist(), behaviour=behaviour, features=x)
    return log, Target.of("wanted", log, softmax(wanted * score, axis=1))


# ---- many actions, as in Saito & Joachims 2022, section 4.1


@dataclass(frozen=True)
class Embedded:
    """Their world: rewards hang on three categories of ten, drawn given the action."""

    tables: list[Array]
    effects: list[Array]
    importance: Array
    theta: Array
    middle: Array
    spread: Array
    noise: float = 2.5

    @classmethod
    def of(cls, actions: int, seed: int) -> "Embedded":
        rng = np.random.default_rng(seed)
        latent = rng.normal(size=(3, 10, 5))
        mix, theta_e = rng.uniform(-1, 1, (10, 5)), rng.uniform(-1, 1, 5)
        tables = [softmax(rng.normal(size=(actions, 10)), axis=1) for _ in range(3)]
        effects = [np.vstack([mix @ each.T, theta_e @ each.T]) for each in latent]  # (10 + 1, 10): of x, and by itself
        importance, theta = rng.dirichlet(rng.uniform(size=3)), rng.uniform(-1, 1, 10)
        raw = cls(tables, effects, np.ones(3), theta, np.zeros(3), np.ones(3)).by_category(
            rng.normal(size=(50_000, 10))
        )
        # as in their code, though the paper does not say it: each has mean 0 and variance 1 over contexts and categories
        return cls(
            tables, effects, importance, theta, np.array([q.mean() for q in raw]), np.array([q.std() for q in raw])
        )

    def by_category(self, x: Array) -> list[Array]:
        return [k * (x @ each[:-1] + each[-1] + (x @ self.theta)[:, None] - middle) / spread
                for k, each, middle, spread in zip(self.importance, self.effects, self.middle, self.spread, strict=True)]  # fmt: skip

    def means(self, x: Array) -> Array:
        return sum(q @ table.T for q, table in zip(self.by_category(x), self.tables, strict=True))  # type: ignore[return-value]


def many_actions(sizes: list[int], sets: int, rounds: int = 10_000) -> None:
    """Mean squared errors of IPS, self-normalised IPS, and marginalised IPS with learned and true p(e | a)."""
    print(f"\nMany actions (beta -1, epsilon .05, noise 2.5, {rounds:,} rounds, {sets} sets of data each)")
    print("  actions    IPS   SNIPS    MIPS   MIPS, true   MIPS, SLOPE   IPS / MIPS   IPS / MIPS, true   CPU s")
    for actions in sizes:
        start, world = time.process_time(), Embedded.of(actions, 12345)
        x = np.random.default_rng(1).normal(size=(50_000, 10))
        truth = float(np.mean([(0.95 * q.max(axis=1) + 0.05 * q.mean(axis=1)).mean()
                               for q in (world.means(x[at : at + BLOCK]) for at in range(0, len(x), BLOCK))]))  # fmt: skip
        errors = np.array([_one_set(world, actions, rounds, seed) for seed in range(sets)]) - truth
        mse = np.mean(errors**2, axis=0)
        print(f"  {actions:7d} {mse[0]:6.3f} {mse[1]:7.3f} {mse[2]:7.3f} {mse[3]:12.3f} {mse[4]:13.3f} {mse[0] / mse[2]:12.2f}"
              f" {mse[0] / mse[3]:18.2f} {time.process_time() - start:7.0f}", flush=True)  # fmt: skip


def _one_set(world: Embedded, actions: int, rounds: int, seed: int) -> list[float]:
    rng = np.random.default_rng([seed, actions])
    x, done, row = rng.normal(size=(rounds, 10)), np.empty(rounds, dtype=np.int64), np.arange(BLOCK)
    codes, weights, true = np.empty((rounds, 3), dtype=np.int64), np.empty(rounds), np.empty(rounds)
    for at in range(0, rounds, BLOCK):
        part = slice(at, at + BLOCK)
        behaviour, target = _policies(world, x[part])
        done[part] = (rng.random(BLOCK)[:, None] > behaviour.cumsum(axis=1)).sum(axis=1).clip(0, actions - 1)
        for d, table in enumerate(world.tables):
            chosen = table[done[part]].cumsum(axis=1)
            codes[part, d] = (rng.random(BLOCK)[:, None] > chosen).sum(axis=1).clip(0, 9)
        weights[part] = target[row, done[part]] / behaviour[row, done[part]]
        true[part] = category_weights(codes[part], world.tables, target, behaviour)
    rewards = sum(q[np.arange(rounds), codes[:, d]] for d, q in enumerate(world.by_category(x)))
    rewards = rewards + rng.normal(scale=world.noise, size=rounds)
    tables, learned = category_tables(codes, done, actions), np.empty(rounds)
    fewer = np.empty((2 if actions <= FEW else 0, rounds))
    for at in range(0, rounds, BLOCK):
        part = slice(at, at + BLOCK)
        behaviour, target = _policies(world, x[part])
        learned[part] = category_weights(codes[part], tables, target, behaviour)
        for n, kept in enumerate(([0, 1], [0])[: len(fewer)]):
            fewer[n, part] = category_weights(codes[part][:, kept], [tables[d] for d in kept], target, behaviour)
    nested = [ips(learned, rewards), *(ips(each, rewards) for each in fewer)]
    return [ips(weights, rewards).value, snips(weights, rewards).value, nested[0].value, ips(true, rewards).value,
            nested[slope(nested)].value]  # fmt: skip


def _policies(world: Embedded, x: Array) -> tuple[Array, Array]:
    means = world.means(x)
    target = np.full(means.shape, 0.05 / means.shape[1])
    target[np.arange(len(x)), means.argmax(axis=1)] += 0.95
    return softmax(-means, axis=1), target


# ---- the Open Bandit logs


def open_bandit(data: Path) -> None:
    """Each policy's click rate from the other's 10,000 rows, with and without obp."""
    if not (data / "obd").is_dir():
        print(f"\nno Open Bandit data in {data}: set RECLOOP_TEST_DATA")
        return
    logs = {name: open_bandit_log(data / "obd" / name / "men")[0] for name in ("random", "bts")}
    for name, log, other in (("random→bts", logs["random"], logs["bts"]), ("bts→random", logs["bts"], logs["random"])):
        even = Target.of("random", log, np.full(34, 1 / 34))
        target = as_shown("bts", log, other) if name == "random→bts" else even
        start = time.process_time()
        one = judge_policies(log, [target], rng=np.random.default_rng(0)).policies[0]
        spent = time.process_time() - start
        truth = TRUTH[name]
        print(f"\n{name}: truth {truth:.4f}, worth {one.weights.effective:,.0f} rounds and {one.rewards:.0f} clicks, "
              f"{spent:.2f} CPU s; {'concluded' if one.concludes else 'refused: ' + one.objections[0].said}")  # fmt: skip
        for each in one.all:
            held = "holds" if each.low <= truth <= each.high else "misses"
            print(f"  {each.estimator:10s} {each.value:.5f} ({each.low:.5f} to {each.high:.5f}) {held} the truth, "
                  f"off by {abs(each.value / truth - 1):.0%}")  # fmt: skip
        _peer(log, target, truth)


def _peer(log: Logged, target: Target, truth: float) -> None:
    """The same by obp, and how far its answers and ours are apart on the same weights and predictions."""
    try:
        from obp import ope
    except ImportError:
        print("  obp is not installed: no peer")
        return
    assert target.distribution is not None
    model = cross_fitted(log.actions, log.rewards, 34, np.random.default_rng(0))
    row = np.arange(log.n)
    shared = {
        "reward": log.rewards, "action": log.actions, "pscore": log.propensities, "position": np.zeros(log.n, dtype=int),
        "action_dist": np.ascontiguousarray(target.distribution)[:, :, None],
    }  # fmt: skip
    predicted = {"estimated_rewards_by_reg_model": model[:, :, None]}
    weights, expected = target.chances / log.propensities, model[row, log.actions]
    baseline = (target.distribution * model).sum(axis=1)
    from recloop.evaluate import off_policy as ours

    pairs = {
        "ips": (ope.InverseProbabilityWeighting(), {}, ours.ips(weights, log.rewards)),
        "snips": (ope.SelfNormalizedInverseProbabilityWeighting(), {}, ours.snips(weights, log.rewards)),
        "clipped": (ope.InverseProbabilityWeighting(lambda_=2.0), {}, ours.clipped(weights, log.rewards, 2.0)),
        "direct": (ope.DirectMethod(), predicted, ours.direct(baseline)),
        "dr": (ope.DoublyRobust(), predicted, ours.doubly_robust(weights, log.rewards, expected, baseline)),
        "sndr": (ope.SelfNormalizedDoublyRobust(), predicted,
                 ours.self_normalised_doubly_robust(weights, log.rewards, expected, baseline)),
        "switch-dr": (ope.SwitchDoublyRobust(lambda_=2.0), predicted,
                      ours.switch_doubly_robust(weights, log.rewards, expected, baseline, 2.0)),
        "dros": (ope.DoublyRobustWithShrinkage(lambda_=4.0), predicted,
                 ours.shrunk_doubly_robust(weights, log.rewards, expected, baseline, 4.0)),
    }  # fmt: skip
    for name, (peer, more, mine) in pairs.items():
        value = float(peer.estimate_policy_value(**shared, **more))
        ends = peer.estimate_interval(**shared, **more, n_bootstrap_samples=200, random_state=1)
        low, high = ends["95.0% CI (lower)"], ends["95.0% CI (upper)"]
        held = "holds" if low <= truth <= high else "misses"
        print(f"  obp {name:10s} {value:.5f} ({low:.5f} to {high:.5f}) {held} the truth; "
              f"ours is {abs(value - mine.value):.1e} away")  # fmt: skip


def slates() -> None:
    """Slate estimators and marginal weights against obp's on made-up numbers."""
    try:
        from obp import ope
    except ImportError:
        return
    from recloop.evaluate import off_policy as ours

    rng = np.random.default_rng(3)
    n, k, actions = 500, 3, 6
    chance, wanted = rng.uniform(0.1, 0.9, (n, k)), rng.uniform(0.1, 0.9, (n, k))
    rewards = (rng.random((n, k)) < 0.3) * 1.0
    flat = {"slate_id": np.repeat(np.arange(n), k), "reward": rewards.ravel(), "position": np.tile(np.arange(k), n)}

    def spread(each: Array) -> Array:
        return each.ravel()

    given, asked = np.cumprod(chance, axis=1), np.cumprod(wanted, axis=1)
    whole = np.repeat(given[:, -1:], k, axis=1), np.repeat(asked[:, -1:], k, axis=1)
    sums = {
        "standard": (ope.SlateStandardIPS(len_list=k), {"pscore": spread(whole[0]), "evaluation_policy_pscore": spread(whole[1])},
                     ours.standard),
        "independent": (ope.SlateIndependentIPS(len_list=k), {"pscore_item_position": spread(chance),
                        "evaluation_policy_pscore_item_position": spread(wanted)}, ours.independent),
        "reward interaction": (ope.SlateRewardInteractionIPS(len_list=k), {"pscore_cascade": spread(given),
                               "evaluation_policy_pscore_cascade": spread(asked)}, ours.reward_interaction),
    }  # fmt: skip
    print("\nSlates and marginal weights beside obp")
    for name, (peer, scores, mine) in sums.items():
        value = float(peer.estimate_policy_value(**flat, **scores))
        print(f"  {name}: {value:.6f}, ours is {abs(value - mine(wanted / chance, rewards).value):.1e} away")
    slate = rng.integers(0, actions, (n, k))
    model, target = rng.random((n, k, actions)), rng.dirichlet(np.ones(actions), (n, k))
    flat_cascade = {
        "action": slate.ravel(), "pscore_cascade": spread(given), "evaluation_policy_pscore_cascade": spread(asked),
        "q_hat": model.ravel(), "evaluation_policy_action_dist": target.ravel(),
    }  # fmt: skip
    value = float(
        ope.SlateCascadeDoublyRobust(len_list=k, n_unique_action=actions).estimate_policy_value(**flat, **flat_cascade)
    )
    expected = np.take_along_axis(model, slate[:, :, None], axis=2)[:, :, 0]
    mine_cascade = ours.cascade(wanted / chance, rewards, expected, (target * model).sum(axis=2)).value
    print(f"  cascade doubly robust: {value:.6f}, ours is {abs(value - mine_cascade):.1e} away")
    done, codes = rng.integers(0, actions, n), rng.integers(0, 4, (n, 2))
    given_a = rng.dirichlet(np.ones(4), (actions, 2)).transpose(0, 2, 1)
    behaviour, chances = rng.dirichlet(np.ones(actions), n), rng.dirichlet(np.ones(actions), n)
    value = float(ope.MarginalizedInverseProbabilityWeighting(n_actions=actions).estimate_policy_value(
        reward=rewards[:, 0], action=done, action_embed=codes, pi_b=behaviour[:, :, None],
        action_dist=chances[:, :, None], p_e_a=given_a, context=np.zeros((n, 1)),
    ))  # fmt: skip
    weights = category_weights(codes, [given_a[:, :, d] for d in range(2)], chances, behaviour)
    print(f"  marginalised: {value:.6f}, ours is {abs(value - ips(weights, rewards[:, 0]).value):.1e} away")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200, help="simulated logs of each setting")
    parser.add_argument("--sets", type=int, default=50, help="sets of data for each number of actions")
    parser.add_argument("--actions", type=int, nargs="*", default=[10, 100, 1000, 5000], help="numbers of actions")
    parser.add_argument("--gate", type=int, metavar="LOGS", help="only what the gate lets pass, of so many logs")
    options = parser.parse_args()
    if options.gate:
        gate(options.gate)
        return
    open_bandit(Path(os.environ.get("RECLOOP_TEST_DATA", "../shared/data")))
    slates()
    many_actions(options.actions, options.sets)
    simulate(options.worlds)


if __name__ == "__main__":
    main()
