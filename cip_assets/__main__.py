"""The entry point of `cip`."""

import sys

from rich.console import Console
from rich.markup import escape

from cip_assets.config.errors import PlatformError


def main() -> None:
    """Run the command; a problem that a person can mend is one line and exit code 1."""
    try:
        # Imported here, since the graph is built on import and needs sound business rules.
        from cip_assets.cli import app

        app()
    except PlatformError as error:
        Console(stderr=True).print(
            f"[bold red]error[/] {escape(str(error))}", highlight=False, soft_wrap=True
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
