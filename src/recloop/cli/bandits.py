import click

from recloop.cli.console import answer, existing_store, json_option, out, store_option


@click.group()
def bandits() -> None:
    """Policies that learn while they serve."""


@bandits.command("warm-start", epilog="Example: recloop bandits warm-start --from home --to home-contextual")
@click.option("--from", "source", required=True, help="The policy whose outcomes are learned from.")
@click.option("--to", "target", required=True, help="The policy of the active release that is to learn.")
@click.option("--release", default="", help="The release of the first policy; the active one by default.")
@click.option("--force", is_flag=True, help="Replace what the second policy has learned already.")
@store_option
@json_option
def warm_start(source: str, target: str, release: str, store: str, *, force: bool, as_json: bool) -> None:
    """Let a bandit begin with what the log of another policy tells of arms of the same names.

    Services that run take the start over within seconds, as they do with what is learned elsewhere.
    """
    from recloop.app.warm_start import warm_start

    with existing_store(store) as opened:
        found = warm_start(opened, source, target, release=release, force=force)
    if as_json:
        answer(found._asdict())
        return
    out.print(f"{found.policy} of {found.release} learned from {found.outcomes} outcomes of {source}")
    for arm, count in found.arms.items():
        out.print(f"  {arm}: {count}")
    if found.skipped:
        out.print(f"{found.skipped} were of arms that it does not have")
