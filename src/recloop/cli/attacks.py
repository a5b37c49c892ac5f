import time
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.table import Table

from recloop.cli.console import answer, existing_store, json_option, out, store_option


@click.command(epilog="Example: recloop attacks --days 30")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True,
              help="How far to look back.")  # fmt: skip
@store_option
@json_option
def attacks(days: float, store: str, as_json: bool) -> None:
    """Look for bursts of interactions in the store's log that look made: push and shilling attacks."""
    from recloop.app.attacks import find_attacks

    with existing_store(store) as opened:
        found = find_attacks(opened, time.time(), days=days)
    if as_json:
        told = {"looked_at": found.looked_at, "flagged": found.flagged}
        answer(told | {"bursts": [asdict(burst) for burst in found.bursts]})
        return
    out.print(f"{found.flagged:,} of {found.looked_at:,} events look made, in {len(found.bursts):,} bursts")
    if not found.bursts:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "who", "from", "events", "users", "expected"):
        table.add_column(column, justify="right" if column in {"events", "users", "expected"} else "left")
    for burst in found.bursts:
        start = datetime.fromtimestamp(burst.start, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
        numbers = f"{burst.events:,}", f"{burst.users:,}", f"{burst.expected:g}"
        table.add_row(burst.kind, str(burst.who), start, *numbers)
    out.print(table)
