"""The commands. The module of a command is imported only when the command is called.

`cip --help` imports none of them, and a command that needs no Dagster or Spark does not wait for them.
"""

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
    """A command: its help text, and the module of this package that has a function with the command's name."""

    module: str
    help: str


COMMANDS: Mapping[str, Lazy] = {
    "generate": Lazy("generate", "Write synthetic landing files and their ground truth."),
    "adopt": Lazy("adopt", "Look at exports of a shop, and write how they are read into sources.yaml."),
    "run": Lazy(
        "run", "Ingest what landed, then compute and export the snapshot of the last transaction day."
    ),
    "stream": Lazy("stream", "Turn the records of Kafka topics into landing files until it is stopped."),
    "status": Lazy("tables", "Show what each table holds and what has landed since the last run."),
    "history": Lazy("tables", "List every version of a table: time, operation, rows and run."),
    "restore": Lazy("recovery", "Restore an old version of a table. Later versions stay in its history."),
    "maintain": Lazy("recovery", "Join small files and delete files that only old versions need."),
    "erase": Lazy("erase", "Erase customers: show where they are, and with --yes take them out everywhere."),
    "replay": Lazy(
        "recovery",
        "After a rule change: clean the months that have quarantined lines again, then compute the snapshot.",
    ),
    "quarantine": Lazy(
        "quarantine",
        "Show quarantined lines: counts by reason, or one table's lines with file, line number and text.",
    ),
    "explain": Lazy(
        "explain",
        "Explain why a customer's segment or churn band changed between two snapshots, with the source rows.",
    ),
    "scorecard": Lazy("scorecard", "Judge the forecasts that were issued by what happened since."),
    "audience": Lazy("audience", "Preview an audience, send it to its destinations, or measure its lift."),
    "brief": Lazy("brief", "Write the page of the week: answers, lists, data quality, what is not known."),
    "validate": Lazy("validate", "Check the exported files against the marts and against each other."),
    "conformance": Lazy(
        "conformance",
        "Run a case with a known answer through the whole pipeline and compare the results with the answer.",
    ),
    "app": Lazy("pages", "Start the pages of customers and lists on 127.0.0.1."),
    "ui": Lazy("ui", "Start the Dagster UI on 127.0.0.1, with its daemon."),
}


class Commands(TyperGroup):
    """The group of all commands: it has their names and help texts, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the called command with its options, and its remaining arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, _loaded(name) if name else command, rest


def _loaded(name: str) -> Any:
    called = COMMANDS[name]
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    with _garbage_collection_off():
        module = import_module(f"cip_assets.cli.{called.module}")
    single.command(name, help=called.help)(getattr(module, name))
    return get_command(single)


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """Keep Python from searching imported objects for garbage, because they stay until the process ends.

    Imports create half a million objects. Searching them repeatedly would take a fifth of the import time of
    `cip run`.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


app = Commands(
    name="cip",
    help="The Customer Intelligence Platform on the command line.",
    no_args_is_help=True,
    commands=[TyperCommand(name, help=command.help) for name, command in COMMANDS.items()],
)
