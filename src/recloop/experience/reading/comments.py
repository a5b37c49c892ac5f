"""Comments as they are read: personal data masked, long ones cut, what cannot be read told apart."""

from dataclasses import dataclass

import polars as pl

from recloop.errors import DataError, nearest
from recloop.language.masking import masked

READ = 2_000  # characters of a comment that are read
# words that few English sentences of some length do without
ENGLISH = "a an and are as at be but can do for from have i in is it me my no not of on or so that the this to was we with you your".split()  # noqa: E501, SIM905
LONG = 5  # words from which a text without any of those is taken for another language


@dataclass(frozen=True, slots=True, eq=False)
class Comments:
    """Comments that are ready to be read.

    Attributes:
        table: one row per comment that holds something: id, user, time, text (masked), and the columns that came along;
            ``wordless``, where it has no letter, such as one of emoji, and ``foreign``, where it is not English as far
            as its script and its small words tell.
        blank: comments without a sign.
        cut: comments that were longer than what is read.
        hidden: comments in which personal data was masked.
    """

    table: pl.DataFrame
    blank: int
    cut: int
    hidden: int

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Comments":
        """Comments from a table with a column ``text``; ``id``, ``user`` and ``time`` where it has them.

        Without ``id`` the number of the row is one, without ``user`` each comment counts as a user's own. Nobody sees
        more than the first 2,000 characters.

        Raises:
            DataError: there is no column ``text``.

        >>> texts = ["mail ann@example.org", " ", "😡😡", "das ist alles viel zu teuer"]
        >>> said = Comments.of(pl.DataFrame({"text": texts}))
        >>> said.table["text"].to_list(), said.table["wordless"].to_list(), said.table["foreign"].to_list()
        (['mail [email]', '😡😡', 'das ist alles viel zu teuer'], [False, True, False], [False, False, True])
        >>> said.blank, said.hidden
        (1, 1)
        """
        if "text" not in frame.columns:
            raise DataError("the comments have no column 'text'", advice=nearest("text", frame.columns))
        text = pl.col("text").cast(pl.String).fill_null("").str.strip_chars()
        shown = frame.with_row_index("_row").with_columns(
            text=text.str.slice(0, READ), _cut=text.str.len_chars() > READ
        )
        row = pl.col("_row").cast(pl.String)
        named = {
            name: pl.col(name).cast(pl.String).fill_null("").replace("", None).fill_null(row)
            if name in frame.columns
            else row
            for name in ("id", "user")
        }
        time = pl.col("time").cast(pl.Float64) if "time" in frame.columns else pl.lit(None, pl.Float64)
        shown = shown.with_columns(**named, time=time).filter(pl.col("text") != "")
        before = shown["text"]
        after = pl.Series("text", masked(before.to_list()), dtype=pl.String)
        words = pl.col("text").str.to_lowercase().str.extract_all(r"[\p{L}\p{M}']+")
        letters, latin = (pl.col("text").str.count_matches(kind) for kind in (r"\p{L}", r"\p{Latin}"))
        table = shown.with_columns(after).with_columns(
            wordless=letters == 0,
            foreign=(letters > 0)
            & (
                (2 * latin < letters)
                | ((words.list.len() >= LONG) & ~words.list.eval(pl.element().is_in(ENGLISH)).list.any())
            ),
        )
        return cls(
            table.drop("_row", "_cut"),
            blank=frame.height - shown.height,
            cut=int(table["_cut"].sum()),
            hidden=int((before != after).sum()),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, one sentence each."""
        wordless, foreign = (int(self.table[name].sum()) for name in ("wordless", "foreign"))
        told = (
            ("without text, not read", self.blank),
            ("without a word (emoji, signs), in no theme", wordless),
            ("not in English as far as one can tell, placed in themes, their mood not counted", foreign),
            (f"longer than {READ:,} characters, read to there", self.cut),
            ("with an address or a number of a person, which is masked", self.hidden),
        )
        return tuple(f"Comments {words}: {n:,}." for words, n in told if n)
