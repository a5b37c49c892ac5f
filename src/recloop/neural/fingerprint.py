from hashlib import blake2b
from typing import Any


def fingerprint(network: Any) -> str:
    """Changes with any weight of a ``torch.nn.Module``: a training that starts elsewhere is another one.

    >>> import torch
    >>> fingerprint(torch.nn.Linear(2, 1)) == fingerprint(torch.nn.Linear(2, 1))
    False
    """
    digest = blake2b(digest_size=16)
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
