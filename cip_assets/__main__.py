"""The entry point of `cip`."""

import sys

from rich.markup import escape

from cip_assets.cli.app import app
from cip_assets.cli.console import err
from cip_assets.config.errors import PlatformError


def main() -> None:
    """Run the command; a problem that a person can fix is printed as one line, with exit code 1."""
    try:
        app()
    except PlatformError as error:
        err.print(f"[bold red]error[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
