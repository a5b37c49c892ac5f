"""The settings that are compared: ours, and (default, tuned) ones of other libraries."""

PLAIN = {
    "mabwiser": ([["EpsilonGreedy", {}], ["UCB1", {}], ["ThompsonSampling", {}], ["Softmax", {}]],
                 [["EpsilonGreedy", {"epsilon": 0.03}], ["UCB1", {"alpha": 0.3}], ["UCB1", {"alpha": 0.15}]]),
    "river": ([["EpsilonGreedy", {"epsilon": 0.1}], ["UCB", {"delta": 1}], ["BayesUCB", {}], ["ThompsonSampling", {}]],
              [["EpsilonGreedy", {"epsilon": 0.03}], ["UCB", {"delta": 0.2}],
               ["EpsilonGreedy", {"epsilon": 0.05, "fading": 0.02}], ["UCB", {"delta": 0.2, "fading": 0.02}],
               ["UCB", {"delta": 0.2, "fading": 0.005}]]),
    "vowpalwabbit": ([""], ["--epsilon 0.02", "--bag 5 --epsilon 0.01", "--cover 3"]),
}  # fmt: skip
CONTEXTUAL = {
    "mabwiser": ([["LinUCB", {}], ["LinTS", {}], ["LinGreedy", {}]],
                 [["LinUCB", {"alpha": 0.5}], ["LinUCB", {"alpha": 0.25}], ["LinUCB", {"alpha": 0.12}],
                  ["LinTS", {"alpha": 0.3}], ["LinGreedy", {"epsilon": 0.02}]]),
    "river": ([["LinUCBDisjoint", {"alpha": 1.0}]],
              [["LinUCBDisjoint", {"alpha": 0.5}], ["LinUCBDisjoint", {"alpha": 0.25}],
               ["LinUCBDisjoint", {"alpha": 0.12}]]),
    "vowpalwabbit": ([""], ["--epsilon 0.02", "--bag 5 --epsilon 0.01", "--cover 3 -l 1"]),
}  # fmt: skip
THEIRS = {"bernoulli": PLAIN, "linear": CONTEXTUAL, "drift": PLAIN}

OURS = {  # the first is what the documentation advises
    "bernoulli": [{"name": "beta", "width": 0.7}, {"name": "beta"}, {"name": "beta", "width": 0.5},
                  {"name": "beta", "prior": "fixed"}, {"name": "beta", "prior": "fixed", "width": 0.5},
                  {"name": "ucb1", "width": 0.1}, {"name": "ucb1", "width": 0.03},
                  {"name": "epsilon-greedy", "epsilon": 0.03}],
    "linear": [{"name": "lin-ucb"}, {"name": "lin-ucb", "width": 1.4}, {"name": "lin-ucb", "width": 0.7},
               {"name": "lin-ucb", "width": 0.5}, {"name": "lin-ucb", "width": 0.25}, {"name": "lin-ts"},
               {"name": "lin-ts", "width": 0.5}, {"name": "lin-ts", "width": 0.25}],
    "drift": [{"name": "watched"}, {"name": "beta", "width": 0.5}, {"name": "beta", "discount": 0.998},
              {"name": "beta", "discount": 0.995, "width": 0.5}, {"name": "beta", "discount": 0.997, "width": 0.5},
              {"name": "beta", "discount": 0.998, "width": 0.5}, {"name": "beta", "window": 500, "width": 0.5},
              {"name": "ucb1", "width": 0.03}],
}  # fmt: skip
