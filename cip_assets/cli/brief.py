"""`cip brief`."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape

from cip_assets.cli.console import day_of, out
from cip_assets.definitions import open_platform
from cip_assets.reporting.brief import brief as found
from cip_assets.reporting.brief import write
from cip_assets.storage import place


def brief(
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day of the week. Default: the last transaction day"),
    ] = None,
) -> None:
    settings = place.here()
    day = day_of(as_of) or open_platform(settings).default_day()
    for path in write(settings, found(settings, day)):
        out.print(escape(str(path)), highlight=False, soft_wrap=True)
