"""The entry point of `cip`."""

import os
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


def command() -> None:
    """Run `cip` and end the process at once.

    Otherwise Python would first free everything that the engine and the imports hold. That takes a second, and some C
    libraries would print a warning.
    """
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    command()
