from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Diversifier(msgspec.Struct, frozen=True, kw_only=True):
    """How the candidates of a slate are made more than the sum of them: the table ``[policy.diversifier]``.

    Attributes:
        kind: ``mmr`` (unlike what stands above), ``dpp`` (a determinantal process: the slate spans the space),
            ``xquad`` (covers categories that the user cares for), ``pm2`` (places in proportion to them),
            ``calibrated`` (categories as in the history).
        strength: 0 (order of relevance) to 1.
    """

    kind: Literal["mmr", "dpp", "xquad", "pm2", "calibrated"]
    strength: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5

    @property
    def by_vectors(self) -> bool:
        """Whether it looks at vectors of the items; else at their categories."""
        return self.kind in ("mmr", "dpp")
