import torch
from torch import nn
from torch.nn import functional as F


class Agent(nn.Module):
    """A recurrent state with two heads: the policy that learns, and the one that is taken to have made the log.

    Args:
        n_items: of the catalogue.
        width: of item vectors and state.
    """

    def __init__(self, n_items: int, width: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, width)
        nn.init.normal_(self.items.weight, std=0.1)
        self.unit = nn.GRU(width, width, batch_first=True)
        self.policy = nn.Linear(width, n_items)
        self.logged = nn.Linear(width, n_items)

    def forward(self, items: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(n, length) items from the first place on, (n,) lengths → (n, width) states; zeros where empty."""
        states, _ = self.unit(self.items(items))
        at = (lengths - 1).clamp_min(0)
        last = states[torch.arange(len(items), device=items.device), at]
        return torch.where((lengths > 0)[:, None], last, torch.zeros_like(last))

    def loss(self, batch: tuple[torch.Tensor, ...], *, places: int, cap: float, entropy: float) -> torch.Tensor:
        """The negative of Chen et al. 2019, equation 6, with its weights capped, and the fit of the logged policy.

        Args:
            batch: items (n, length), lengths (n,), what was taken (n,), and its advantage (n,).
            places: K of the top-K correction.
            cap: the greatest importance weight.
            entropy: what spread of the policy is worth.
        """
        items, lengths, taken, advantage = batch
        state = self(items, lengths)
        own = F.log_softmax(self.policy(state).float(), dim=-1)
        theirs = F.log_softmax(self.logged(state.detach()).float(), dim=-1)
        log_own, log_theirs = (table.gather(1, taken[:, None])[:, 0] for table in (own, theirs))
        with torch.no_grad():
            weight = (log_own - log_theirs).exp().clamp_max(cap)
            among = places * (1 - log_own.exp()) ** (places - 1)
        spread = -(own.exp() * own).sum(-1).mean()
        gain = (weight * among * advantage * log_own).mean()
        return -gain - log_theirs.mean() - entropy * spread
