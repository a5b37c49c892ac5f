"""What users say: themes, aspects, mood, and who says it more than others."""

from recloop.experience.reading.book import ThemeBook
from recloop.experience.reading.comments import Comments
from recloop.experience.reading.compare import Split
from recloop.experience.reading.read import Read, read_comments
from recloop.experience.reading.results import Comparison, Quote, Reading, Shift, Theme

__all__ = [
    "Comments",
    "Comparison",
    "Quote",
    "Read",
    "Reading",
    "Shift",
    "Split",
    "Theme",
    "ThemeBook",
    "read_comments",
]
