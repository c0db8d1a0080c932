"""The entry point of `cip`."""

import os
import signal
import sys

from rich.markup import escape

from cip_assets.cli.app import app
from cip_assets.cli.console import err
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings


def main() -> None:
    """Run the command; a problem that a person can fix is printed as one line, with exit code 1."""
    try:
        app()
    except PlatformError as error:
        _end_with(str(error))
    except Exception as error:
        # Imported here, because it needs delta-rs, for which `cip --help` does not wait.
        from cip_assets.storage.trouble import trouble

        found = trouble(_messages(error), Settings.from_environment())
        if found is None:
            raise
        _end_with(found)


def _end_with(message: str) -> None:
    err.print(f"[bold red]error[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(1)


def _messages(error: BaseException | None) -> str:
    """The messages of an error and of its causes."""
    return f"{error} {_messages(error.__cause__ or error.__context__)}" if error else ""


def heed_interrupts() -> None:
    """Heed interrupts in the background, too. A shell that starts a command there makes it ignore them; Dagster handles
    SIGTERM like an interrupt, and would ignore it, and so would the processes that this one starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def command() -> None:
    """Run `cip` and end the process at once.

    Otherwise Python would first free everything that the engine and the imports hold. That takes a second, and some C
    libraries would print a warning.
    """
    heed_interrupts()
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
