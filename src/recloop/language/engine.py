from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """Runs the network: tokens in, one vector per token out. Tokenising, batching and pooling are not its business.

    Attributes:
        name: the runtime, such as ``"openvino"``.
        precision: of the products, such as ``"f32"`` or ``"bf16"``.
        tile: a text whose length lies just below a multiple of so many tokens takes longer than one of that length; 1
            where it does not.
    """

    name: str
    precision: str
    tile: int

    def hidden(self, ids: NDArray[np.int32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, length, hidden_size) float32 for (n, length) token ids and a mask that is 1 on tokens, 0 on padding."""
        ...
