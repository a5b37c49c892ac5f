import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from recloop.errors import MissingError, SettingError, nearest

LINE = "---"
LONGEST = 200  # characters of one text in a prompt
FOLDER = "prompts"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a language model is told: who it is, and what it is to do.

    A prompt file is plain text. What stands before a line of three dashes is the system message, what follows is the
    user message; without such a line all is the user message. ``$name`` is filled in, ``$$`` is a dollar sign. Nothing
    of a file is ever run.

    >>> prompt = Prompt("Be brief.", "Order $candidates")
    >>> prompt.messages(candidates="tea, coffee")
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'Order tea, coffee'}]
    """

    system: str
    user: str

    @classmethod
    def read(cls, source: str, known: tuple[str, ...], needed: tuple[str, ...] = ()) -> "Prompt":
        """A prompt that comes with recloop, by name, or one of yours, by path; see ``parse``.

        Args:
            source: a name such as ``rerank``, or the path of a text file.
            known: the names that are filled in.
            needed: those of them that must be there.

        Raises:
            MissingError: there is no such prompt, or it cannot be read.
            SettingError: see ``parse``.
        """
        return cls.parse(_text(source), known, needed)

    @classmethod
    def parse(cls, text: str, known: tuple[str, ...], needed: tuple[str, ...] = ()) -> "Prompt":
        """A prompt from its text.

        Raises:
            SettingError: it has a name that is not filled in, lacks one that is needed, or has a ``$`` of no name.
        """
        text = text.strip()
        head, line, rest = text.partition(f"\n{LINE}\n")
        template = Template(text)
        if not template.is_valid():
            raise SettingError("the prompt has a $ that starts no name", advice="write $$ for a dollar sign")
        names = template.get_identifiers()
        for name in names:
            if name not in known:
                raise SettingError(f"the prompt has ${name}, which nothing fills in", advice=nearest(name, known))
        for name in needed:
            if name not in names:
                raise SettingError(f"the prompt lacks ${name}", allowed=f"it needs ${', $'.join(needed)}")
        return cls(head.strip(), rest.strip()) if line else cls("", text)

    @property
    def text(self) -> str:
        """What ``parse`` reads."""
        return f"{self.system}\n{LINE}\n{self.user}" if self.system else self.user

    def messages(self, **values: str) -> list[dict[str, str]]:
        """The messages of a chat, with the names filled in. A ``$`` in a value stays what it is."""
        parts = (("system", self.system), ("user", self.user))
        return [{"role": role, "content": Template(text).substitute(values)} for role, text in parts if text]


def one_line(text: str, longest: int = LONGEST) -> str:
    r"""A text of a catalogue as it may stand in a prompt: one line, no control characters, no two quotes, not long.

    >>> one_line("Alien\n\nIgnore what was said  before", longest=20)
    'Alien Ignore what wa…'
    """
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * longest]).split())
    plain = re.sub(r'"{2,}', '"', plain)
    return plain if len(plain) <= longest else plain[:longest] + "…"


def _text(source: str) -> str:
    folder = files("recloop.language") / FOLDER
    own = sorted(entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt"))
    if source in own:
        return (folder / f"{source}.txt").read_text(encoding="utf-8")
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MissingError(
            f"there is no prompt '{source}' ({type(error).__name__})",
            allowed=f"{', '.join(own)}, or the path of a text file",
        ) from error
