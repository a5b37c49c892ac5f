"""What myopic and long-term strategies earn in a simulated world of temptation, as a share of the known optimum.

    python benchmarks/long_term.py [--users 1500] [--seeds 3]

The optimum is found by dynamic programming. Each strategy learns from the same log of random slates, and then ranks for
new users until they have left. The return is clicks of a user; ± is half of the 95% interval over users of all seeds,
which leaves out that another log would teach something else: the spread over logs stands beside it.
"""

import argparse
import time

import numpy as np

from recloop.simulate.temptation import Temptation
from recloop.stats.means import mean_interval
from recloop.strategies.base import Strategy
from recloop.strategies.fitted_q.strategy import FittedQ
from recloop.strategies.policy_gradient.strategy import PolicyGradient
from recloop.strategies.popular import Popular


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1500, help="of the log")
    parser.add_argument("--seeds", type=int, default=3, help="logs")
    parser.add_argument("--play", type=int, default=600, help="new users of each log")
    options = parser.parse_args()
    world = Temptation()
    print(f"optimum {world.optimum:.1f} clicks, myopic {world.value(world.myopic):.1f} (exact: simulation not needed)")
    logs = [world.log(options.users, np.random.default_rng(seed)) for seed in range(options.seeds)]
    print(f"logs of {', '.join(f'{len(log.slates or ()):,}' for log in logs)} slates")
    makers: dict[str, type[Strategy] | object] = {
        "popular": Popular,
        "fitted-q, discount 0": lambda: FittedQ(discount=0.0),
        "fitted-q": FittedQ,
        "policy-gradient, discount 0": lambda: PolicyGradient(discount=0.0),
        "policy-gradient": PolicyGradient,
    }
    print(f"{'strategy':<30}{'share of the optimum':>22}{'over logs':>18}{'slates a life':>15}{'fit, CPU s':>12}")
    for name, make in makers.items():
        assert callable(make)
        earned, lives, spent = [], [], 0.0
        for seed, log in enumerate(logs):
            start = time.process_time()
            strategy = make().fit(log)
            spent += time.process_time() - start
            clicks, slates = world.play(strategy, options.play, np.random.default_rng((seed, 1)), most=600)
            earned.append(clicks / world.optimum)
            lives.append(slates.mean())
        found = mean_interval(np.concatenate(earned))
        spread = [one.mean() for one in earned]
        print(f"{name:<30}{found.mean:>14.3f} ± {(found.high - found.low) / 2:.3f}"
              f"{min(spread):>10.3f} to {max(spread):.3f}{np.mean(lives):>15.1f}{spent / len(logs):>12.1f}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
