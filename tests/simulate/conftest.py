import pytest

from recloop.simulate import World


@pytest.fixture(scope="session")
def world() -> World:
    """A shop that is small and has enough users for laws to show."""
    return World(seed=3, users=600, items=400, days=40)
