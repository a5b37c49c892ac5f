import math

import torch
from torch.nn import functional as F


def softmax(hidden: torch.Tensor, table: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over all items.

    Args:
        hidden: (m, width), one row per place that foretells.
        table: (n_items, width).
        targets: (m,) the item that came.
    """
    return F.cross_entropy(hidden @ table.T, targets)


def sampled_softmax(
    hidden: torch.Tensor, table: torch.Tensor, targets: torch.Tensor, negatives: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy over the target and items drawn evenly, which stand for all others.

    Each drawn item counts as n_items / len(negatives) of them (Bengio & Senécal 2008, "Adaptive importance sampling to
    accelerate training of a neural probabilistic language model", section 3): without that the loss would be one of
    another, easier question. A negative that is the target is left out.
    """
    positive = (hidden * F.embedding(targets, table)).sum(-1, keepdim=True)
    against = hidden @ F.embedding(negatives, table).T + math.log((len(table) - 1) / len(negatives))
    against = against.masked_fill(negatives[None] == targets[:, None], -torch.inf)
    logits = torch.cat([positive, against.to(positive.dtype)], dim=1)
    return F.cross_entropy(logits, torch.zeros_like(targets))


def gbce(
    hidden: torch.Tensor, table: torch.Tensor, targets: torch.Tensor, negatives: torch.Tensor, calibration: float = 0.75
) -> torch.Tensor:
    """Binary cross-entropy whose positives are raised to a power, so that negative sampling does not make it sure.

    Petrov & Macdonald 2023, "gSASRec: reducing overconfidence in sequential recommendation trained with negative
    sampling", equations 11 to 13, with t = ``calibration``.
    """
    share = len(negatives) / (len(table) - 1)
    power = share * (calibration * (1 - 1 / share) + 1 / share)
    positive = (hidden * F.embedding(targets, table)).sum(-1).float()
    against = (hidden @ F.embedding(negatives, table).T).float()
    others = F.softplus(against).masked_fill(negatives[None] == targets[:, None], 0).sum(-1)
    return (power * F.softplus(-positive) + others).mean()
