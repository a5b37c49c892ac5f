import numpy as np
from scipy.stats import rankdata

from recloop.stats.ranks import average_ranks


def test_ranks_are_scipys() -> None:
    rng = np.random.default_rng(1)
    for n, values in ((0, 1), (1, 1), (50, 1), (50, 7), (50, 10_000)):
        x = rng.integers(0, values, n)
        assert average_ranks(x).tolist() == rankdata(x).tolist()
        assert average_ranks(x / 3).tolist() == rankdata(x / 3).tolist()
