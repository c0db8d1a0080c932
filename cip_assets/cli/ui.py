"""`cip ui`."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from cip_assets.cli.console import out
from cip_assets.config.settings import PROJECT, Settings
from cip_assets.orchestration.instance import add_setting, open_instance


def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = 3000) -> None:
    settings = Settings.from_environment()
    if add_setting(settings.dagster_home):
        out.print(
            f"{settings.dagster_home / 'dagster.yaml'}: added the setting instance_class", soft_wrap=True
        )
    with open_instance(settings.dagster_home) as instance:
        environment = {**os.environ, "DAGSTER_HOME": str(instance.root_directory)}
    dagster = str(Path(sys.executable).with_name("dagster"))
    arguments = [dagster, "dev", "-w", str(PROJECT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    # A shell that starts a process in the background makes it ignore interrupts, which are needed to end this one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execve(dagster, arguments, environment)
