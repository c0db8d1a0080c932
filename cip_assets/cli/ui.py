"""`cip ui`."""

import os
import signal
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
