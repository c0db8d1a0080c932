"""Quarantined lines say where they come from: file and line, and the offset if the line was a record of a topic."""

from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from cip_assets.config.settings import Settings
from cip_assets.storage.quarantine import lines_of

FILE = "returns/from_streams/topic=back/dt=2024-05-17/a.csv"


@pytest.mark.parametrize(("is_stream", "place"), [(True, f"{FILE}:3 (offset 41)"), (False, f"{FILE}:3")])
def test_the_place_of_a_line(tmp_path: Path, *, is_stream: bool, place: str) -> None:
    settings = Settings(tmp_path, "sail")
    where = {"source_file": [FILE, FILE, "returns.csv"], "source_line": [2, 3, 2]}
    raw = where | ({"stream_offset": ["40", "41", None]} if is_stream else {})
    deltalake.write_deltalake(settings.table_uri("raw", "returns"), pa.table(raw))
    kept_out = {name: values[1:] for name, values in where.items()}
    kept_out |= {"outcome": ["quarantined"] * 2, "reasons": ["amount:missing"] * 2, "raw_text": ["x", "y"]}
    deltalake.write_deltalake(settings.table_uri("quarantine", "returns"), pa.table(kept_out))
    assert [found for found, _, _ in lines_of(settings, "returns", 10)] == ["returns.csv:2", place]
