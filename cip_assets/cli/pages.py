"""`cip app`."""

import os
import sys
import threading
from typing import Annotated

import typer
import uvicorn

from cip_assets.app.access import TOKENS, Doors
from cip_assets.app.lake import Lake
from cip_assets.app.server import Site, application
from cip_assets.cli.console import out
from cip_assets.config.errors import PlatformError
from cip_assets.config.hosts import is_local
from cip_assets.config.rules import load_rules, rules_file
from cip_assets.storage import place

PORT = 3001


def app(
    port: Annotated[int, typer.Option(help="Port of the pages")] = PORT,
    host: Annotated[
        str, typer.Option(help=f"Address to listen on. Others than this machine's need tokens in {TOKENS}")
    ] = "127.0.0.1",
    role: Annotated[
        str,
        typer.Option(
            envvar="CIP_APP_ROLE", help="Role of the rules, for whoever opens the pages without a token"
        ),
    ] = "",
    dagster: Annotated[
        str, typer.Option(help="Address of the Dagster UI, for links to its assets")
    ] = "http://127.0.0.1:3000",
    until: Annotated[
        int | None, typer.Option(hidden=True, help="File descriptor of a pipe: stop when it is closed")
    ] = None,
) -> None:
    rules = load_rules(rules_file())
    doors = Doors.of(rules, role)
    if not is_local(host) and not doors.need_token:
        raise PlatformError(
            f"whoever can reach {host} could see customers' data: set {TOKENS} to role=token, or leave out --host"
        )
    site = Site.of(Lake(place.here()), rules, doors, dagster)
    config = uvicorn.Config(
        application(site, host), host=host, port=port, log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    if until is not None:
        threading.Thread(target=_stop_with, args=(until, server), daemon=True).start()
    out.print(f"customers and lists: http://{host}:{port}", highlight=False, soft_wrap=True)
    server.run()
    if not server.started:
        sys.exit(1)


def _stop_with(pipe: int, server: uvicorn.Server) -> None:
    """Stop the server when every process that holds the other end of a pipe has ended."""
    os.read(pipe, 1)
    server.should_exit = True
