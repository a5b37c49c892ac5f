"""What is minimised: pairs told from all other pairs of the batch, also where word vectors are pushed."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

Side = tuple[torch.Tensor, torch.Tensor]


def in_batch_softmax(
    left: torch.Tensor,
    right: torch.Tensor,
    same: torch.Tensor,
    level: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Cross-entropy of each left vector's partner among the right vectors of the batch, and the other way round.

    Oord, Li & Vinyals 2018, "Representation learning with contrastive predictive coding", equation 4. The logits are
    freed of how often an item is drawn (Yi et al. 2019, "Sampling-bias-corrected neural modeling for large corpus item
    recommendations", section 3): otherwise popular items are pushed away from everything.

    Args:
        left: (n, d) of length 1.
        right: likewise, the partners.
        same: (n, n) bool, which other pairs hold the same item on either side: no negatives.
        level: (n,) log of how often the right item is drawn.
        temperature: that cosines are divided by.
    """
    logits = left @ right.T / temperature
    logits = logits.masked_fill(same, -torch.inf)
    targets = torch.arange(len(left), device=left.device)
    forward = F.cross_entropy(logits - level[None], targets)
    backward = F.cross_entropy(logits.T - level[None], targets)
    return (forward + backward) / 2


def adversarial(
    loss: Callable[[torch.Tensor], torch.Tensor], words: torch.Tensor, radius: float, ascents: int
) -> torch.Tensor:
    """The mean loss along a walk of the word vectors to where it grows.

    One step is the fast gradient method (Miyato, Dai & Goodfellow 2017, "Adversarial training methods for
    semi-supervised text classification", equation 5), whose loss is averaged with the one of the unmoved vectors; more
    steps are FreeLB (Zhu et al. 2020, algorithm 1). Each text is moved by at most ``radius`` times the length of its
    word vectors taken together.

    Args:
        loss: word vectors (n, length, width) → scalar.
        words: where the walk begins.
        radius: see above.
        ascents: steps.
    """
    start = words if words.requires_grad else words.detach().requires_grad_()
    reach = radius * start.detach().flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
    total = value = loss(start)
    moved = torch.zeros_like(start)
    for _ in range(ascents):
        (slope,) = torch.autograd.grad(value, start, retain_graph=True)
        size = slope.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
        moved = moved + reach / ascents * slope / size
        value = loss(start + moved.detach())
        total = total + value
    return total / (ascents + 1)
