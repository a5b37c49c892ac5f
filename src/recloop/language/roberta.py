from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from recloop.language.bert import Bert


@dataclass(frozen=True, slots=True)
class Roberta(Bert):
    """RoBERTa (Liu et al. 2019), XLM-RoBERTa (Conneau et al. 2020) and CamemBERT: BERT whose positions begin behind
    that of the padding token.
    """

    first_position: ClassVar[int] = 2

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """See ``Architecture``."""
        if given.get("pad_token_id", 1) != 1:
            raise ValueError(f"pad_token_id = {given['pad_token_id']!r}; 1 is needed, which the positions depend on")
        return super(Roberta, cls).read(given)
