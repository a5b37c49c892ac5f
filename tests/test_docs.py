"""The documentation under test: every command, option, setting, metric and route has its paragraph; code blocks run."""

import re
from pathlib import Path

import click
import pytest

from recloop.cli.main import COMMANDS, LazyGroup, recloop
from recloop.strategies import available

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def read(name: str) -> str:
    return (REFERENCE / name).read_text()


def commands() -> list[tuple[str, click.Command]]:
    group = recloop
    assert isinstance(group, LazyGroup)
    context = click.Context(group)
    found = []
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", child) for sub, child in command.commands.items()]
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_has_its_paragraph(name: str, command: click.Command) -> None:
    page = read("commands.md")
    assert f"## `recloop {name}`" in page, f"docs/reference/commands.md has no section for recloop {name}"
    section = page.split(f"## `recloop {name}`", 1)[1].split("\n## ", 1)[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden and "--help" not in parameter.opts:
            long = max(parameter.opts, key=len)
            assert f"`{long}" in section, f"recloop {name}: option {long} has no paragraph"


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_has_help_with_an_example_and_json(name: str, command: click.Command) -> None:
    assert command.help, f"recloop {name} has no help"
    if isinstance(command, click.Group):
        return
    assert "recloop" in (command.epilog or command.help), f"recloop {name} --help shows no example"
    names = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in names, f"recloop {name} has no --json"


@pytest.mark.parametrize("name", sorted(available()))
def test_every_strategy_and_setting_has_its_paragraph(name: str) -> None:
    page = read("strategies.md")
    assert f"## `{name}`" in page
    section = page.split(f"## `{name}`", 1)[1].split("\n## ", 1)[0]
    for entry in available()[name].settings():
        assert f"`{entry.name}`" in section, f"strategy {name}: setting {entry.name} has no paragraph"


def test_links_inside_the_documentation_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if "_build" in page.parts:
            continue
        for target in re.findall(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
