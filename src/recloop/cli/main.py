import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from recloop import __version__
from recloop.cli.console import complain
from recloop.errors import RecloopError, nearest

# name → module of recloop.cli; each holds a command of that name. Loaded on use, so that --help is quick.
COMMANDS = {
    "demo": "demo",
    "init": "init",
    "check": "check",
    "finetune": "finetune",
    "run": "run",
    "evaluate": "evaluate",
    "judges": "judges",
    "tune": "tune",
    "compose": "compose",
    "simulate": "simulate",
    "strategies": "strategies",
    "load": "load",
    "serve": "serve",
    "batch": "batch",
    "experiments": "power",  # the group with its last command
    "releases": "releases",
    "compress": "compress",
    "rollback": "releases",
    "dashboard": "dashboard",
    "overrides": "overrides",
    "keys": "keys",
    "person": "person",
    "attacks": "attacks",
    "ux": "ux",
    "archive": "archive",
    "export": "export",
    "import": "export",
    "store": "store",
    "bandits": "bandits",
}
ALIASES = {"experiment": "experiments"}  # one experiment is spoken of in the singular


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, or None."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module = import_module(f"recloop.cli.{COMMANDS[name]}")
        command: click.Command = getattr(module, f"{name}_" if iskeyword(name) else name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named first in ``args``; a misspelt one gets the nearest."""
        if args and not args[0].startswith("-") and args[0] not in {*COMMANDS, *ALIASES}:
            ctx.fail(f"there is no command '{args[0]}'. {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: recloop demo. With your own log: recloop init events.csv, recloop check, recloop run.",
)
@click.version_option(__version__, prog_name="recloop")
def recloop() -> None:
    """Close the recommender loop: train, judge, compose, serve, experiment, release, and train again."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code.

    0: done; 2: a wrong setting or option; 3: unusable data; 4: not found; 5: conflict; 6: a missing extra;
    7: the store or the disk; 8: a damaged artifact; 9: access; 130: stopped by the user.
    """
    words: list[str] = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    try:
        code: Any = recloop.main(args=words, prog_name="recloop", standalone_mode=False)
    except RecloopError as error:
        complain(str(error), kind=type(error).__name__, as_json=as_json)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        complain("Stopped. What was finished is kept, and nothing is half-written.", kind="Stopped", as_json=as_json)
        sys.exit(130)
    except KeyboardInterrupt:
        complain("Stopped. What was finished is kept, and nothing is half-written.", kind="Stopped", as_json=as_json)
        sys.exit(130)
    except click.ClickException as error:
        complain(error.format_message(), kind="UsageError", as_json=as_json)
        sys.exit(2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        complain(f"{error.strerror or error}{where}. Nothing is half-written.", kind="OSError", as_json=as_json)
        sys.exit(7)
    sys.exit(code if isinstance(code, int) else 0)
