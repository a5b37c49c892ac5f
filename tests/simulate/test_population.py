import numpy as np
import polars as pl
from scipy import stats

from recloop.simulate import World


def test_users_have_what_a_shop_knows(world: World) -> None:
    users = world.users
    assert users.columns == ["user", "age", "gender", "device", "joined"]
    assert users["age"].is_between(16, 80).all()
    assert users.null_count().sum_horizontal()[0] == 0
    assert set(users["gender"].unique()) == {"female", "male", "other"}
    assert users["user"].is_sorted()


def test_tastes_are_in_units_of_the_logit(world: World) -> None:
    affinity = world.population.tastes @ world.catalogue.vectors.T
    assert np.isfinite(affinity).all()
    assert np.mean(np.square(affinity)) == np.float32(1.0).item() or abs(np.mean(np.square(affinity)) - 1) < 0.01
    assert abs(affinity.mean()) < 0.5


def test_favourites_are_a_mixture(world: World) -> None:
    share = world.population.favourites
    np.testing.assert_allclose(share.sum(axis=1), 1, rtol=1e-5)
    assert ((share > 0).sum(axis=1) == 3).all()


def test_tastes_shift_with_age_and_gender() -> None:
    world = World(seed=11, users=3000, items=60)
    liked = world.population.favourites > 0
    for group in (world.users["gender"] == "female", world.users["age"] >= 45):
        rows = group.to_numpy()
        table = np.stack([liked[rows].sum(axis=0), liked[~rows].sum(axis=0)])
        assert stats.chi2_contingency(table[:, table.sum(axis=0) > 20]).pvalue < 1e-10
    # no group is of one mind: who they are tells less of a taste than the taste itself
    tastes = world.population.tastes
    centred = tastes - tastes.mean(axis=0)
    women = (world.users["gender"] == "female").to_numpy()
    between = np.square(tastes[women].mean(axis=0) - tastes[~women].mean(axis=0)).sum()
    assert between < 0.5 * np.square(centred).sum(axis=1).mean()


def test_some_users_are_new_after_the_log(world: World) -> None:
    joined = world.users["joined"].to_numpy()
    assert 0.04 < np.mean(joined > world.end) < 0.12
    assert 0.08 < np.mean((joined >= world.start) & (joined < world.end)) < 0.2
    assert set(world.log()["user"].unique()) <= set(world.users.filter(pl.col("joined") < world.end)["user"])
