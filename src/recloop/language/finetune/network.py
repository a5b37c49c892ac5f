"""An encoder that learns: the files of ``load_encoder`` in torch."""

import logging
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from recloop.errors import ArtifactError, DataError


class SentenceNetwork(nn.Module):
    """Token ids and mask → one vector of length 1 per text, as the served encoder gives it.

    Args:
        model: gives a vector per token.
        pooling: ``"mean"`` of the tokens that the mask has, or the first token (``"cls"``).
        head: a linear map of the pooled vector, or None.
    """

    def __init__(self, model: nn.Module, pooling: str, head: nn.Linear | None = None) -> None:
        super().__init__()
        self.model, self.pooling, self.head = model, pooling, head
        self.prompts: nn.Parameter | None = None

    def words(self, ids: torch.Tensor) -> torch.Tensor:
        """(n, length) ids → (n, length, width): the word vectors, before places are added."""
        found: torch.Tensor = self.model.get_input_embeddings()(ids)
        return found

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(n, length, width) word vectors and (n, length) mask → (n, width)."""
        if self.prompts is not None:
            prompts = self.prompts.expand(len(words), -1, -1).to(words.dtype)
            words = torch.cat([words[:, :1], prompts, words[:, 1:]], dim=1)  # after [CLS], whose place poolings know
            mask = torch.cat([mask[:, :1], mask.new_ones(prompts.shape[:2]), mask[:, 1:]], dim=1)
        return F.normalize(self.pooled(words, mask), dim=-1)

    def pooled(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The vector of a text before it is brought to length 1."""
        hidden = self.model(inputs_embeds=words, attention_mask=mask.long()).last_hidden_state.float()
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            share = mask.float() / mask.float().sum(dim=1, keepdim=True).clamp_min(1)
            pooled = (share[:, None] @ hidden)[:, 0]
        return pooled if self.head is None else self.head(pooled)


def load_model(folder: Path, name: str) -> nn.Module:
    """The transformer in a folder, in float32 and in evaluation mode. Nothing is downloaded, no code of it is run.

    Raises:
        ArtifactError: the folder holds no model that ``transformers`` reads.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    import transformers

    transformers.utils.logging.disable_progress_bar()
    try:
        model = transformers.AutoModel.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ArtifactError(
            f"the encoder '{name}' in {folder} cannot be trained ({error})",
            advice="choose an encoder whose architecture the installed transformers knows",
        ) from error
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # sentence encoders pool themselves; where the files lack it, it would be noise
    found: nn.Module = model.eval()
    return found


def set_dropout(model: nn.Module, share: float) -> None:
    """Every dropout of a model at one share."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share


def layers_of(model: nn.Module) -> nn.ModuleList:
    """The stack of layers of a transformer: its longest list of modules.

    Raises:
        DataError: it has none.
    """
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not stacks:
        raise DataError("the encoder has no stack of layers", advice="choose tune = 'full', 'head' or 'prompt'")
    return max(stacks, key=len)


def plain(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A copy of weights on the CPU, one memory for each."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
