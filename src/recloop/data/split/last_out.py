from dataclasses import dataclass
from typing import ClassVar

from recloop.data.dataset import Dataset
from recloop.data.split.base import Split, Splitter
from recloop.data.split.places import places_from_end


@dataclass(frozen=True, kw_only=True)
class LeaveLastOut(Splitter):
    """The last positive events of each user are the truth, all before them is learned from.

    Args:
        n: how many last events of each user are held out.
        skip: leave out this many last events altogether first. ``skip=1`` makes the validation split that belongs to
            the test split with ``skip=0``.
    """

    name: ClassVar[str] = "leave-last-out"
    summary: ClassVar[str] = "the last event of each user is the truth"

    n: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("n", 1)
        self._at_least("skip", 0)

    def _split(self, dataset: Dataset) -> Split:
        # a user with too few events to be judged is learned from as a whole
        counts, left = places_from_end(dataset)
        enough = counts > self.n + self.skip
        truth = enough & (left >= self.skip) & (left < self.skip + self.n)
        past = ~enough | (left >= self.skip + self.n)
        few = int((~enough & (left == 0)).sum())
        return self._made(
            dataset,
            train=past,
            history=past & enough,
            truth=truth,
            leaks=(
                "Each user is cut at another moment: later events of other users are learned from, and trends leak.",
                "Popularity is counted over the whole log, with the future of most users in it.",
                "Events at the same time are ordered by their place in the file.",
            ),
            notes=(f"{few} users have too few events to be judged; they are learned from",) if few else (),
        )
