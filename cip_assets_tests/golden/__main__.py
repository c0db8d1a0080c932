"""Make the golden hashes again, and print what changed: ``python -m cip_assets_tests.golden``."""

import sys
import tempfile
from pathlib import Path

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.reporting.dashboard.figures import figures
from cip_assets.synthetic import generate
from cip_assets_tests.golden import HASHES, changes, golden, keep, kept
from cip_assets_tests.sample import SAMPLE

with tempfile.TemporaryDirectory() as folder:
    settings = Settings(Path(folder), Settings.from_environment().engine)
    generate(SAMPLE, settings.landing)
    report = open_platform(settings, dg.DagsterInstance.ephemeral()).run()
    if not report.succeeded or report.as_of is None:
        sys.exit(f"the run failed: {report.failures}")
    found = golden(settings, figures(settings, report.as_of))

different = changes(kept() if HASHES.exists() else {}, found)
keep(found)
sys.stdout.write("\n".join([*different, f"{len(different)} of {len(found)} tables and files changed"]) + "\n")
