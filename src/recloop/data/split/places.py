import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset


def places_from_end(dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per event: how many positive events its user has, and how many of them come later (events are sorted)."""
    user = dataset.events["user"].to_numpy()
    positive = dataset.events["weight"].to_numpy() > 0
    counts = np.bincount(user[positive], minlength=dataset.n_users)
    upto = np.cumsum(positive)
    before = np.concatenate([[0], np.cumsum(counts)])[user]
    return counts[user], counts[user] - (upto - before)
