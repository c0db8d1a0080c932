"""The reference of ``sources.yaml`` and of the presets: ``python -m cip_assets.reporting.sources_reference``."""

import sys
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from cip_assets.config.settings import PROJECT
from cip_assets.sources.config import (
    FIELDS,
    KINDS,
    OTHER_KINDS,
    Export,
    Kind,
    KindName,
    Layout,
    Sources,
    goes_to,
)
from cip_assets.sources.presets import Ask, Preset, PresetLayout, presets
from cip_assets.sources.streams.topics import Kafka, Topic

DOCUMENT = PROJECT / "docs" / "sources-reference.md"


def as_markdown() -> str:
    """Every key, field and kind of ``sources.yaml``, and every preset."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Reference of sources.yaml and the presets"
    yield ""
    yield "Generated from the code. After a change, run `.venv/bin/python -m cip_assets.reporting.sources_reference`. A"
    yield "test fails while this page is out of date. [sources.md](sources.md) explains how exports are read."
    yield ""
    yield "## Keys of sources.yaml"
    yield from _keys("At the top", Sources)
    yield ""
    yield "The keys of `databases` are in [databases.md](databases.md#postgresql)."
    yield ""
    yield "[streams.md](streams.md) explains the keys of `kafka`."
    yield from _keys("In `kafka`", Kafka)
    yield from _keys("Each of `topics`", Topic)
    yield from _keys("Each of `exports`", Export)
    yield from _keys("Each of `layouts`", Layout)
    yield from _keys("Each of `kinds`", Kind)
    yield ""
    yield "## Fields"
    yield ""
    yield "The keys of `fields`. The amounts of an order may stand on its first record or on each."
    yield ""
    yield "| field | meaning |"
    yield "|---|---|"
    yield from (f"| {name} | {what} |" for name, what in FIELDS.items())
    yield ""
    yield "## Kinds"
    yield from _kinds("A rule may name these kinds:", KINDS)
    yield from _kinds("These are found without a rule:", OTHER_KINDS)
    yield ""
    yield "## Keys of preset.yaml"
    yield from _keys("At the top", Preset)
    yield from _keys("Each of `layouts`", PresetLayout)
    yield from _keys("Each of `asks`", Ask)
    yield ""
    yield "## Presets"
    for name, preset in sorted(presets().items()):
        yield ""
        yield from _preset(name, preset)


def _keys(heading: str, model: type[BaseModel]) -> Iterator[str]:
    yield ""
    yield f"### {heading}"
    yield ""
    yield "| key | meaning | default |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _value(field.default)
        yield f"| {field.alias or name} | {_cell(field.description or '')} | {default} |"


def _value(default: object) -> str:
    if default in (None, (), {}):
        return ""
    return ", ".join(f"`{each}`" for each in default) if isinstance(default, tuple) else f"`{default}`"


def _kinds(heading: str, meanings: Mapping[KindName, str] | Mapping[str, str]) -> Iterator[str]:
    yield ""
    yield heading
    yield ""
    yield "| kind | meaning | goes to |"
    yield "|---|---|---|"
    yield from (f"| {name} | {what} | {goes_to(name)} |" for name, what in meanings.items())


def _preset(name: str, preset: Preset) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield preset.about
    if preset.refused:
        yield ""
        yield f"Refused: {preset.refused.strip()}."
    yield ""
    for layout in preset.layouts:
        optional = ", optional" if layout.is_optional else ""
        yield f"- A file `{layout.name}`{optional}, has: {', '.join(f'`{column}`' for column in layout.has)}"
    fields = [field for field in FIELDS if any(field in layout.fields for layout in preset.layouts)]
    kinds = [
        kind for kind in KINDS if any(kind == rule.kind for found in preset.layouts for rule in found.kinds)
    ]
    if fields:
        yield f"- Gives: {', '.join(fields)}"
    if kinds:
        yield f"- Kinds beside sales: {', '.join(kinds)}"
    if preset.asks:
        yield ""
        yield "| asked | taken without an answer |"
        yield "|---|---|"
        yield from (f"| {_cell(ask.about)} | {_cell(ask.default)} |" for ask in preset.asks)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(as_markdown(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}\n")
