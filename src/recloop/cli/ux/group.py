import click


@click.group()
def ux() -> None:
    """What users go through: where it hurts, and what to do."""
