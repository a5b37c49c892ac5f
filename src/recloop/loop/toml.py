"""Settings as TOML text: a table of their own, or written into the text of a plan."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from recloop.errors import ConflictError


def strategy_table(name: str, strategy: str, settings: Mapping[str, Any], comment: str = "") -> str:
    """The table of one strategy of a plan; a setting that is None is left out, since TOML has no word for it.

    >>> print(strategy_table("ease", "ease", {"reg": 232.0}), end="")
    [strategies.ease]
    reg = 232.0
    """
    lines = [f"# {comment}"] if comment else []
    lines.append(f"[strategies.{_key(name)}]")
    lines += [f"{_key(key)} = {value(found)}" for key, found in _wanted(name, strategy, settings).items()]
    return "\n".join(lines) + "\n"


def with_settings(text: str, name: str, strategy: str, settings: Mapping[str, Any]) -> str:
    r"""The text of a plan with other settings of one strategy; its comments stay.

    Args:
        text: TOML.
        name: of the strategy in the plan.
        strategy: which one runs under that name.
        settings: all that its table should say; what it says besides stays.

    Raises:
        ConflictError: the plan writes the strategy in a way that cannot be changed line by line.

    >>> print(with_settings("[strategies.ease]\nreg = 500.0  # ridge", "ease", "ease", {"reg": 232.0}), end="")
    [strategies.ease]
    reg = 232.0  # ridge
    """
    wanted = _wanted(name, strategy, settings)
    expected = tomllib.loads(text)
    table = expected.setdefault("strategies", {}).setdefault(name, {})
    for key, found in settings.items():
        if found is None:
            table.pop(key, None)
    table.update(wanted)
    lines = text.splitlines()
    header = re.compile(rf"\s*\[\s*strategies\s*\.\s*(\"{re.escape(name)}\"|{re.escape(name)})\s*\]\s*(#.*)?")
    start = next((place for place, line in enumerate(lines) if header.fullmatch(line)), None)
    if start is None:
        made = text.rstrip("\n") + "\n\n" + strategy_table(name, strategy, settings)
    else:
        stop = next((p for p in range(start + 1, len(lines)) if lines[p].lstrip().startswith("[")), len(lines))
        body = _body(lines[start + 1 : stop], wanted, {key for key, found in settings.items() if found is None})
        made = "\n".join([*lines[: start + 1], *body, *lines[stop:]]) + "\n"
    try:
        same = tomllib.loads(made) == expected
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise ConflictError(
            f"the plan writes the settings of '{name}' in a way that cannot be changed line by line",
            advice=f"give them a table [strategies.{name}], or put the settings found in by hand",
        )
    return made


def _body(lines: list[str], wanted: Mapping[str, Any], gone: set[str]) -> list[str]:
    left, body = dict(wanted), []
    for line in lines:
        found = re.fullmatch(r"(\s*)([A-Za-z0-9_-]+)(\s*=\s*)(.*?)(\s*#.*)?", line)
        if found and found[2] in left:
            body.append(f"{found[1]}{found[2]}{found[3]}{value(left.pop(found[2]))}{found[5] or ''}")
        elif not (found and found[2] in gone):
            body.append(line)
    new = [f"{_key(key)} = {value(found)}" for key, found in left.items()]
    end = next((place for place in range(len(body), 0, -1) if body[place - 1].strip()), 0)
    return [*body[:end], *new, *body[end:]]


def value(found: Any) -> str:
    r"""A plain value as TOML.

    >>> value(True), value(3), value(1e-05), value('say "a"'), value([1, 2]), value({"a": 0.5})
    ('true', '3', '1e-05', '"say \\"a\\""', '[1, 2]', '{a = 0.5}')
    """
    if isinstance(found, list | tuple):
        return f"[{', '.join(value(entry) for entry in found)}]"
    if isinstance(found, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {value(entry)}' for key, entry in found.items() if entry is not None)}}}"
    if isinstance(found, str):
        return json.dumps(found, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(found).lower() if isinstance(found, bool) else repr(found)


def _wanted(name: str, strategy: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: found for key, found in settings.items() if found is not None}
    return kept if strategy == name else {"strategy": strategy, **kept}


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
