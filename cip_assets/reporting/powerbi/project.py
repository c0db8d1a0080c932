"""The files of the project: the model, the report, and the files that refer to them."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cip_assets.config.rules import Rules
from cip_assets.config.settings import PROJECT
from cip_assets.reporting.powerbi.model import model_files
from cip_assets.reporting.powerbi.report import SCHEMAS, report_files

NAME = "CustomerIntelligence"
FOLDER = PROJECT / "powerbi"


def files(rules: Rules) -> Mapping[str, str]:
    """The text of every file by its path in ``powerbi/``; texts name the windows and limits of the rules."""
    model, report = f"{NAME}.SemanticModel", f"{NAME}.Report"
    content: dict[str, str | Mapping[str, Any]] = {
        f"{NAME}.pbip": {
            "$schema": f"{SCHEMAS}/pbip/pbipProperties/1.0.0/schema.json",
            "version": "1.0",
            "artifacts": [{"report": {"path": report}}],
            "settings": {"enableAutoRecovery": True},
        },
        f"{model}/.platform": _platform("SemanticModel"),
        f"{model}/definition.pbism": {
            "$schema": f"{SCHEMAS}/item/semanticModel/definitionProperties/1.0.0/schema.json",
            "version": "4.2",
            "settings": {},
        },
        f"{report}/.platform": _platform("Report"),
        f"{report}/definition.pbir": {
            "$schema": f"{SCHEMAS}/item/report/definitionProperties/2.0.0/schema.json",
            "version": "4.0",
            "datasetReference": {"byPath": {"path": f"../{model}"}},
        },
    }
    content |= {f"{model}/definition/{path}": text for path, text in model_files(rules).items()}
    content |= {f"{report}/{path}": value for path, value in report_files(rules).items()}
    return {path: value if isinstance(value, str) else _json(value) for path, value in content.items()}


def _platform(kind: str) -> Mapping[str, Any]:
    return {
        "$schema": f"{SCHEMAS}/gitIntegration/platformProperties/2.0.0/schema.json",
        "metadata": {"type": kind, "displayName": NAME},
        # Fabric identifies an item by this id, so it must not change when the files are written again.
        "config": {"version": "2.0", "logicalId": str(uuid5(NAMESPACE_URL, f"{NAME}.{kind}"))},
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
