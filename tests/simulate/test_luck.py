import numpy as np
from scipy import stats

from recloop.simulate.luck import luck_of


def test_luck_is_uniform_and_uncorrelated() -> None:
    luck = luck_of(5, 20, np.repeat(np.arange(400), 5), np.tile(np.arange(5), 400))
    assert stats.kstest(luck.ravel(), "uniform").pvalue > 0.001
    between = np.corrcoef(luck, rowvar=False)[np.triu_indices(20, 1)]
    assert np.abs(between).max() < 5 / np.sqrt(2000)
    following = luck[1:, 0], luck[:-1, 0]
    assert abs(np.corrcoef(*following)[0, 1]) < 5 / np.sqrt(2000)


def test_luck_hangs_on_every_key() -> None:
    base = luck_of(1, 4, np.array([3]), np.array([7]), 2)
    for other in (
        luck_of(2, 4, np.array([3]), np.array([7]), 2),
        luck_of(1, 4, np.array([7]), np.array([3]), 2),
        luck_of(1, 4, np.array([3]), np.array([7]), 3),
    ):
        assert not np.isclose(base, other).any()
    assert (base == luck_of(1, 8, np.array([3]), np.array([7]), 2)[:, :4]).all()
