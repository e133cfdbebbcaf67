"""``python -m hedged`` and the ``hedged`` command."""

from hedged.cli.app import main

if __name__ == "__main__":
    main()
