import numpy as np


def child_seed(seed: int, name: str) -> int:
    """The seed of one part of a run: the same whatever other parts there are."""
    return int(np.random.SeedSequence(seed, spawn_key=tuple(name.encode())).generate_state(1)[0] >> 1)
