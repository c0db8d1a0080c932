"""`cip ui`."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cip_assets.cli.console import err, out
from cip_assets.config.hosts import is_local
from cip_assets.config.settings import APP_ADDRESS
from cip_assets.orchestration.instance import add_setting, open_instance
from cip_assets.storage import place

LOCAL = "127.0.0.1"


def ui(
    port: Annotated[int, typer.Option(help="Port of the UI")] = 3000,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others than this machine's need a log-in")
    ] = LOCAL,
) -> None:
    if warning := warning_about(host):
        err.print(f"[yellow]warning[/] {escape(warning)}", highlight=False, soft_wrap=True)
    settings = place.here()
    if add_setting(settings.dagster_home):
        out.print(
            f"{settings.dagster_home / 'dagster.yaml'}: added the setting instance_class", soft_wrap=True
        )
    with open_instance(settings.dagster_home) as instance:
        environment = {**os.environ, "DAGSTER_HOME": str(instance.root_directory)}
    environment[APP_ADDRESS] = f"http://{LOCAL}:{port + 1}"
    _start_pages(port, environment)
    dagster = str(Path(sys.executable).with_name("dagster"))
    arguments = [dagster, "dev", "-m", "cip_assets.definitions", "-h", host, "-p", str(port)]
    os.execve(dagster, arguments, environment)


def _start_pages(port: int, environment: Mapping[str, str]) -> None:
    """Start `cip app` beside the UI. It ends with the process that becomes the UI, which holds an end of a pipe."""
    end, held = os.pipe()
    os.set_inheritable(held, True)
    arguments = [sys.executable, "-m", "cip_assets", "app", "--port", str(port + 1), "--until", str(end)]
    subprocess.Popen(
        [*arguments, "--dagster", f"http://{LOCAL}:{port}"], env=environment, pass_fds=[end], close_fds=True
    )
    os.close(end)


def warning_about(host: str) -> str | None:
    """What to know before the UI listens on an address; None if only this machine can reach it."""
    if is_local(host):
        return None
    return (
        f"whoever can reach {host} can see customers' data and start runs, because the Dagster UI has no log-in: "
        "put a proxy with one in front of it, or leave out --host"
    )
