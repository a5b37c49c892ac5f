"""``python -m recloop``: the commands."""

from recloop.cli import main

if __name__ == "__main__":
    main()
