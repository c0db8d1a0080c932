"""The commands. A command's module is imported when it is called.

`cip --help` needs none of them, and what one command waits for, as Dagster or Spark, others need not.
"""

import atexit
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True)
class Lazy:
    """A command: the module of this package that has a function of its name, and what it does."""

    module: str
    help: str


COMMANDS: Mapping[str, Lazy] = {
    "generate": Lazy("generate", "Write synthetic landing files, and beside them what is true of them."),
    "run": Lazy(
        "run", "Ingest all that landed, compute the snapshot of the last transaction day, export it."
    ),
    "status": Lazy("tables", "What each table holds, and what landed since the last run."),
    "history": Lazy("tables", "Every version of a table: when, what, how many rows, by which run."),
    "restore": Lazy(
        "recovery", "Make a table again what it was at a version; later versions stay in its history."
    ),
    "maintain": Lazy("recovery", "Join small files, and delete what only older versions of the tables need."),
    "replay": Lazy(
        "recovery",
        "After the rules were mended: clean the months with quarantined lines again, then the snapshot.",
    ),
    "quarantine": Lazy(
        "quarantine", "Lines that did not get in: counted by reason, or one table's with file, line and text."
    ),
    "explain": Lazy(
        "explain",
        "Why a customer's segment or churn band changed between two snapshots, by the source rows in between.",
    ),
    "validate": Lazy("validate", "Check the exported files against the marts and each other."),
    "conformance": Lazy(
        "conformance",
        "Run cases with known answers through the pipeline, and print what is known against what it gives.",
    ),
    "ui": Lazy("ui", "Open Dagster's page on 127.0.0.1, with its daemon."),
}


class Commands(TyperGroup):
    """Knows the commands by name and help, and the one that is called by its module."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, with its options, and the arguments that are left for it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, _loaded(name) if name else command, rest


def _loaded(name: str) -> Any:
    called = COMMANDS[name]
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    with _nothing_to_collect():
        module = import_module(f"cip_assets.cli.{called.module}")
    single.command(name, help=called.help)(getattr(module, name))
    return get_command(single)


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Let Python not look for garbage in what stays until the process ends.

    Imports make half a million objects. To go over them again and again is a fifth of the time that `cip run` takes
    to import what it needs.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        # Libraries in C say so where their objects are still there at the end.
        atexit.register(gc.unfreeze)


app = Commands(
    name="cip",
    help="The platform on the command line. It asks Dagster for everything and shows what came of it.",
    no_args_is_help=True,
    commands=[TyperCommand(name, help=command.help) for name, command in COMMANDS.items()],
)
