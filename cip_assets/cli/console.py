"""The consoles and formats that all commands print with."""

from datetime import date, datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

out = Console()
err = Console(stderr=True)


def bars() -> Progress:
    """Progress bars that disappear when the work is done; none if the output is not a terminal."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def day_of(moment: datetime | None) -> date | None:
    """The day that was given on the command line."""
    return moment.date() if moment else None


def to_the_second(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
