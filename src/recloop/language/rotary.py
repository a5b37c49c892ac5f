"""How fast each pair of numbers of a head turns from one place to the next."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def frequencies(width: int, base: float, scaling: Mapping[str, Any] | None = None) -> NDArray[np.float64]:
    """(width / 2,) angles per place (Su et al. 2021, "RoFormer", section 3.2.2).

    Args:
        width: of a head.
        base: ``rope_theta``.
        scaling: ``rope_scaling``: ``linear`` (Chen et al. 2023, "Extending context window of large language models via
            positional interpolation") or ``llama3``, which slows down only what turns seldom (Grattafiori et al. 2024,
            "The Llama 3 herd of models"). None for what the network was first trained with.

    Raises:
        ValueError: another scaling is asked for.

    >>> frequencies(4, 10_000.0).tolist()
    [1.0, 0.01]
    """
    plain = base ** -(np.arange(0, width, 2) / width)
    kind = (scaling or {}).get("rope_type", (scaling or {}).get("type", "default"))
    if not scaling or kind == "default":
        return plain
    if kind == "linear":
        return plain / float(scaling["factor"])
    if kind != "llama3":
        raise ValueError(f"rope_type = {kind!r}; 'default', 'linear' or 'llama3' is needed")
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    turns = float(scaling["original_max_position_embeddings"]) * plain / (2 * np.pi)
    share = np.clip((turns - low) / (high - low), 0, 1)
    return plain * (share + (1 - share) / float(scaling["factor"]))
