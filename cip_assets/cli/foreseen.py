"""`cip status --plan`: what a run would do."""

from collections.abc import Mapping, Sequence
from datetime import date

from rich.markup import escape

from cip_assets.cli.console import err, out
from cip_assets.cli.landing_news import landing_news
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.due.foreseen import FOLLOWS, Look, Step


def show_plan(settings: Settings, as_of: date | None) -> None:
    """Print what `cip run` would compute now."""
    platform = open_platform(settings)
    with platform.instance as instance:
        found = Look(platform.graph, settings, instance).foreseen(as_of)
    for (partition, why), steps in _grouped(found.steps).items():
        spent = [step.seconds for step in steps if step.seconds is not None]
        about = f" (about {sum(spent):.0f} s)" if spent else ""
        names = ", ".join(step.asset for step in steps)
        out.print(f"{partition}{escape(why)}: {names}{about}", highlight=False)
    for line in landing_news(settings):
        out.print(line, highlight=False, soft_wrap=True)
    for why in found.unreadable.values():
        err.print(f"[bold red]error[/] {escape(why)}", highlight=False, soft_wrap=True)
    about = "" if found.seconds is None else f"; by the last runs, about {found.seconds:.0f} s"
    out.print(f"{len(found.steps)} to compute, {found.up_to_date} of the snapshot up to date{about}")


def _grouped(steps: Sequence[Step]) -> Mapping[tuple[str, str], list[Step]]:
    """The steps by what is computed of them, and by why."""
    found: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        why = "follows from others" if step.reason.endswith(FOLLOWS) else step.reason
        older = f", carried from {step.carried_from}" if step.carried_from else ""
        found.setdefault((f"{step.partition}, " if step.partition else "", f"{why}{older}"), []).append(step)
    return found
