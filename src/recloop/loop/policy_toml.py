"""A policy as the tables of a plan: to be read, changed by hand, or put into a plan in place of the one there."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from recloop.compose import SlateConfig
from recloop.compose.objectives import ObjectivesConfig
from recloop.errors import ConflictError
from recloop.loop.toml import value


def policy_toml(policy: SlateConfig, table: str = "policy", comment: str = "") -> str:
    """The table of a slate policy; what is as usual is left out.

    >>> print(policy_toml(SlateConfig(sources={"ease": 1.0}, diversity=0.2)), end="")
    [policy]
    sources = {ease = 1.0}
    diversity = 0.2
    """
    plain = _unusual(msgspec.to_builtins(policy), msgspec.to_builtins(SlateConfig()))
    plain.pop("kind", None)
    objectives = plain.pop("objectives", None)
    lines = [f"# {line}" for line in comment.splitlines()] + [f"[{table}]"]
    lines += [f"{name} = {value(found)}" for name, found in plain.items()]
    if objectives is not None:
        usual = msgspec.to_builtins(ObjectivesConfig())
        # multipliers are learned by the run that uses the policy
        unusual = {name: found for name, found in _unusual(objectives, usual).items() if name != "prices"}
        lines += ["", f"[{table}.objectives]", *(f"{name} = {value(found)}" for name, found in unusual.items())]
    return "\n".join(lines) + "\n"


def arms_toml(policies: Mapping[str, SlateConfig]) -> str:
    """Several policies as the arms of a bandit, to be tried on users.

    >>> print(arms_toml({"knee": SlateConfig(sources=["ease"])}), end="")
    [policy]
    kind = "thompson"
    <BLANKLINE>
    [policy.arms.knee]
    sources = ["ease"]
    """
    parts = ['[policy]\nkind = "thompson"\n']
    parts += [policy_toml(policy, f"policy.arms.{name}") for name, policy in policies.items()]
    return "\n".join(parts)


def with_policy(text: str, policy: SlateConfig, comment: str = "") -> str:
    r"""The text of a plan with another policy; all else stays, comments too.

    Args:
        text: TOML.
        policy: what the plan is to say.
        comment: over the table.

    Raises:
        ConflictError: the plan writes its policy in a way that cannot be replaced line by line.

    >>> print(with_policy("[policy]\nsources = ['a']\n\n[run]\nseed = 1", SlateConfig(sources=["ease"])), end="")
    [run]
    seed = 1
    <BLANKLINE>
    [policy]
    sources = ["ease"]
    """
    header = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?")
    kept, inside = [], False
    for line in text.splitlines():
        found = header.fullmatch(line)
        if found:
            inside = found[1].split(".")[0].strip().strip('"') == "policy"
        if not inside:
            kept.append(line)
    made = "\n".join(kept).strip("\n") + "\n\n" + policy_toml(policy, comment=comment)
    expected = {name: table for name, table in tomllib.loads(text).items() if name != "policy"}
    try:
        found_tables: dict[str, Any] = tomllib.loads(made)
    except tomllib.TOMLDecodeError:
        found_tables = {}
    found_tables.pop("policy", None)
    if found_tables != expected:
        raise ConflictError(
            "the plan writes its policy in a way that cannot be replaced line by line",
            advice="give it a table [policy], or put the policy found in by hand",
        )
    return made


def _unusual(plain: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found for name, found in plain.items() if found is not None and found != usual.get(name)}
