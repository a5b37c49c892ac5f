import click

from recloop.cli.console import answer, existing_store, json_option, out, store_option


@click.group()
def store() -> None:
    """Tell and change the schema of the store."""


@store.command(epilog="Example: recloop store version --store postgresql://shop@db/shop")
@store_option
@json_option
def version(store: str, as_json: bool) -> None:
    """Tell the schema of the store and that of this recloop. Nothing is changed."""
    from recloop.store.schema import read_version
    from recloop.store.tables import SCHEMA

    found = read_version(store)
    if as_json:
        answer({"store": found, "recloop": SCHEMA})
        return
    out.print(f"schema {found}; this recloop writes schema {SCHEMA}")


@store.command(epilog="Example: recloop store upgrade --store postgresql://shop@db/shop")
@store_option
@json_option
def upgrade(store: str, as_json: bool) -> None:
    """Bring the store to the schema of this recloop. Opening it does the same; nothing is lost."""
    from recloop.store.schema import read_version

    before = read_version(store)
    with existing_store(store):
        pass
    _tell(before, read_version(store), as_json=as_json)


@store.command(epilog="Example: recloop store downgrade --to 1")
@click.option("--to", "goal", type=int, required=True, help="The schema of the older recloop.")
@store_option
@json_option
def downgrade(goal: int, store: str, as_json: bool) -> None:
    """Bring the store back to an older schema. What the older one has no place for is lost."""
    from recloop.store.schema import bring_back, read_version

    before = read_version(store)
    bring_back(store, goal)
    _tell(before, goal, as_json=as_json)


def _tell(before: int, after: int, *, as_json: bool) -> None:
    if as_json:
        answer({"before": before, "after": after})
        return
    out.print(f"schema {after} (it was {before})" if before != after else f"schema {after} already")
