"""All files of the Power BI project (PBIP)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cip_assets.powerbi.model import model_files
from cip_assets.powerbi.report import report_files

FOLDER = Path(__file__).resolve().parents[2] / "powerbi"
"""Where the project lies in the repository."""

NAME = "CustomerIntelligence"
MODEL, REPORT = f"{NAME}.SemanticModel", f"{NAME}.Report"
SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric"


def files() -> Mapping[str, str]:
    """The text of each file, by its path in the folder."""
    settings: dict[str, dict[str, Any]] = {
        f"{NAME}.pbip": {
            "$schema": f"{SCHEMAS}/pbip/pbipProperties/1.0.0/schema.json",
            "version": "1.0",
            "artifacts": [{"report": {"path": REPORT}}],
            "settings": {"enableAutoRecovery": True},
        },
        f"{MODEL}/definition.pbism": {
            "$schema": f"{SCHEMAS}/item/semanticModel/definitionProperties/1.0.0/schema.json",
            "version": "4.0",
            "settings": {},
        },
        f"{REPORT}/definition.pbir": {
            "$schema": f"{SCHEMAS}/item/report/definitionProperties/2.0.0/schema.json",
            "version": "4.0",
            "datasetReference": {"byPath": {"path": f"../{MODEL}"}},
        },
    }
    settings |= {f"{REPORT}/definition/{path}": content for path, content in report_files().items()}
    written = {path: json.dumps(content, indent=2) + "\n" for path, content in settings.items()}
    return written | {f"{MODEL}/definition/{path}": text for path, text in model_files().items()}
