"""A first ``recloop.toml`` from a look at the files."""

import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recloop.data.guess import Guess, guess, overlap
from recloop.errors import ConflictError
from recloop.loop.folder import write_whole
from recloop.loop.plan import Plan

# what kinds of events commonly mean; the first word found in the kind counts
_WEIGHTS = (
    ("impression", 0.0, "shown, not chosen"),
    ("remove", 0.0, "taken back"),
    ("dislike", 0.0, "a refusal"),
    ("skip", 0.0, "a refusal"),
    ("return", 0.0, "sent back"),
    ("view", 0.3, "a look"),
    ("click", 0.5, "a look on purpose"),
    ("cart", 0.8, "nearly bought"),
)


@dataclass(frozen=True)
class InitResult:
    """What was guessed and written.

    Attributes:
        path: the file written.
        text: its content.
        guesses: what each file seems to hold, events first.
        sentences: what was guessed and why, for people.
        doubts: sentences that ask for a second look.
    """

    path: Path
    text: str
    guesses: tuple[Guess, ...]
    sentences: tuple[str, ...]
    doubts: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """The result as plain JSON values."""
        return {
            "path": str(self.path),
            "files": [
                {
                    "path": str(found.path),
                    "role": found.role,
                    "format": found.format,
                    "reason": found.reason,
                    "columns": [
                        {"field": column.field, "column": column.column, "reason": column.reason}
                        for column in found.columns
                    ],
                }
                for found in self.guesses
            ],
            "doubts": list(self.doubts),
        }


def init(
    events: Path | str,
    items: Path | str | None = None,
    users: Path | str | None = None,
    out: Path | str = "recloop.toml",
    *,
    replace: bool = False,
) -> InitResult:
    """Look at the files, guess their columns, and write a commented plan.

    Args:
        events: the behaviour log.
        items: the catalogue, where there is a file of it.
        users: the users, where there is a file of them.
        out: the file to write; paths in it are relative to its folder.
        replace: overwrite a file that is there.

    Raises:
        MissingError: a file is missing (the nearest name is offered), or the folder of ``out``.
        DataError: a file is empty, or its columns cannot be guessed.
        ConflictError: ``out`` is there already.
        StoreError: ``out`` cannot be written.
    """
    out = Path(out)
    if out.exists() and not replace:
        raise ConflictError(f"{out} is there already", advice="move it away, or name another with --out")
    guesses = [guess(events, "events")]
    if items is not None:
        guesses.append(guess(items, "items"))
    if users is not None:
        guesses.append(guess(users, "users"))
    text = "\n".join(_plan(guesses, out.resolve().parent)) + "\n"
    Plan.of(tomllib.loads(text), out.parent)  # what is written can be run, or this is where it fails
    write_whole(out, text)
    sentences = tuple(sentence for found in guesses for sentence in found.sentences)
    return InitResult(out, text, tuple(guesses), sentences, tuple(_doubts(guesses)))


def _doubts(guesses: Sequence[Guess]) -> Iterator[str]:
    events = guesses[0]
    for found in guesses:
        for column in found.columns:
            if column.reason.startswith("no name tells"):
                yield f"{found.path.name}: is '{column.column}' the {column.field}? {column.reason.capitalize()}."
        share = overlap(events, found) if found is not events else None
        if share is not None and share < 0.9:
            yield f"Only {share:.0%} of the first events are on items of {found.path.name}. Do the ids match?"
    if events.moments == 1:
        yield "All of the first events have one time: the split is leave-last-out. Is the time column the right one?"
    elif not events.times:
        yield "There are no times: the split is leave-last-out, in the order of the file."


def _plan(guesses: Sequence[Guess], folder: Path) -> Iterator[str]:
    events = guesses[0]
    tables = {found.role: found for found in guesses}
    yield "# How to close the loop on this data. Written by `recloop init`; every line may be changed."
    yield "# Then: recloop check, recloop run."
    yield ""
    yield "[data]"
    for found in guesses:
        yield f"{found.role} = {_quoted(_relative(found.path, folder))}"
    for found in guesses:
        key = "format" if found.role == "events" else f"{found.role}_format"
        yield f"{key} = {_quoted(found.format)}  # {found.reason}"
    if events.kind:
        yield f"kind = {_quoted(events.kind)}  # of every event: no column tells it"
    yield "bad_rows = 0.01  # more bad rows than this share stop the run; each is reported with its line"
    for found in guesses:
        yield ""
        yield from _columns(found)
    yield ""
    yield from _kinds(events)
    yield ""
    yield "[split]"
    if events.moments > 1:
        yield 'name = "temporal"  # one moment for everybody: the only split that could have happened live'
        yield "test_fraction = 0.2  # the share of events after that moment"
    else:
        yield 'name = "leave-last-out"  # there are no different times, only the order of the file'
    yield ""
    yield "[strategies]"
    yield "# All that the data can feed are tried; name some to try only these:"
    text = "items" in tables and {"title", "description", "text", "category"} & set(tables["items"].fields)
    names = ["popular", "transitions", "item-knn", "ease", "ials", *(["content"] if text else [])]
    yield f"# use = [{', '.join(_quoted(name) for name in names)}]"
    yield ""
    yield "# [strategies.ease]"
    yield "# reg = 500.0  # ridge penalty: more for small logs"
    yield ""
    yield "[metrics]"
    yield "k = [10, 20]  # places of the slate that are judged"
    yield ""
    yield "[policy]"
    yield "# Composed of the best strategies of the run; name some to fuse only these:"
    yield '# sources = ["ease", "transitions"]'
    yield "diversity = 0.1  # 0: by relevance alone; 1: as unlike each other as can be"
    yield 'fallback = "popular"  # stands in for a strategy that fails'
    yield ""
    yield "[run]"
    yield "seed = 0"
    yield 'out = "runs"  # one folder per run'


def _columns(found: Guess) -> Iterator[str]:
    table = {"events": "columns", "items": "item_columns", "users": "user_columns"}[found.role]
    yield f"[data.{table}]"
    if found.preset:
        yield f"# the format {found.format} says which column is which"
        yield from (f"# {column.field} = {_quoted(column.column)}" for column in found.columns)
        return
    lines = [f"{column.field} = {_quoted(column.column)}" for column in found.columns]
    width = max(len(line) for line in lines)
    yield from (f"{line:<{width}}  # {column.reason}" for line, column in zip(lines, found.columns, strict=True))
    if found.left:
        use = "not used" if found.role == "events" else "kept as attributes"
        yield f"# {use}: {', '.join(name.replace(chr(10), ' ') for name in found.left)}"


def _kinds(events: Guess) -> Iterator[str]:
    yield "[data.kinds.weights]  # what an event of each kind is worth; 0 keeps it out of training"
    if not events.kinds:
        yield f"{_quoted(events.kind or 'interaction')} = 1.0"
    for kind in events.kinds:
        weight, why = next(((w, why) for word, w, why in _WEIGHTS if word in kind.lower()), (1.0, ""))
        yield f"{_quoted(kind)} = {weight}" + (f"  # {why}" if why else "")
    yield ""
    yield "[data.kinds.minimum]  # events of a kind with a lower value weigh nothing"
    if events.values is not None:
        low, high = events.values
        kind = events.kind or next((k for k in events.kinds if "rat" in k.lower()), events.kinds[0])
        yield f"# {_quoted(kind)} = {round(low + 0.75 * (high - low), 1):g}  # values run from {low:g} to {high:g}"


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder)).as_posix()
    except ValueError:  # another drive
        return str(path.resolve())


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are valid ones."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
