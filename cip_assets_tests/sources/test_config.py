"""``sources.yaml``: what is wrong in it is named in one line."""

import json
from pathlib import Path
from typing import get_args

import pytest
import yaml
from jsonschema import Draft202012Validator

from cip_assets.config.errors import PlatformError
from cip_assets.sources.adopt import adopt, write
from cip_assets.sources.config import (
    FIELDS,
    KINDS,
    Export,
    FieldName,
    Kind,
    KindName,
    Layout,
    Sources,
    files_of,
    load_sources,
)
from cip_assets.sources.convert import look_at
from cip_assets.sources.databases.database import Database
from cip_assets.sources.presets import Ask, Preset, PresetLayout

GOOD = """
first_month: 2024-01-01
exports:
  - files: [a.csv]
    layouts:
      - header: [Order, Day, Total]
        fields: {order_id: Order, date: Day, line_total: [Total]}
        date_order: ymd
"""


def test_a_folder_without_the_file_has_no_exports(tmp_path: Path) -> None:
    assert load_sources(tmp_path) is None


def test_one_column_or_several(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(GOOD, encoding="utf-8")
    found = load_sources(tmp_path)
    assert found is not None
    (layout,) = found.exports[0].layouts
    assert dict(layout.fields) == {"order_id": ("Order",), "date": ("Day",), "line_total": ("Total",)}
    assert layout.decimal == "."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "date_order: ymd",
            "date_order: ydm",
            r"exports\.0\.layouts\.0\.date_order: Input should be 'ymd', 'mdy', 'dmy', 'unix' or 'excel'",
        ),
        (
            "order_id: Order",
            "order: Order",
            r"exports\.0\.layouts\.0\.fields\.order\.\[key\]: Input should be 'order_id'",
        ),
        ("files: [a.csv]", "paths: [a.csv]", r"exports\.0\.files: Field required"),
        ("exports:", "exports: [", "is not YAML"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "sources.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(PlatformError, match=message) as stopped:
        load_sources(tmp_path)
    assert "\n" not in str(stopped.value)
    assert "sources.yaml" in str(stopped.value)


def test_files_are_below_the_data_folder_or_anywhere(tmp_path: Path) -> None:
    names = ["a [1].csv", "b.csv", "more/c.csv"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    patterns = ("a [1].csv", "*/c.csv", str(tmp_path / "b.*"))
    found = files_of(Export(files=patterns, layouts=()), tmp_path)
    assert found == [tmp_path / name for name in names]


# --- the schema for editors -----------------------------------------------------------------------------------


def test_the_schema_accepts_what_adopt_writes_and_no_mistakes(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "order,date,email,qty,price,status\n1,2024-01-15,a@example.org,1,2.50,paid\n", encoding="utf-8"
    )
    written = write(adopt([tmp_path / "orders.csv"], tmp_path), tmp_path).read_text("utf-8")
    assert written.startswith("# yaml-language-server: $schema=sources/schema.json\n")
    checked = Draft202012Validator(json.loads((tmp_path / "sources" / "schema.json").read_text("utf-8")))
    content = yaml.safe_load(written)
    assert list(checked.iter_errors(content)) == []
    assert list(checked.iter_errors(yaml.safe_load(written.replace("customer_id: email", "buyer: email"))))
    assert list(checked.iter_errors(yaml.safe_load(written.replace("is: cancelled", "is: stolen"))))
    assert list(checked.iter_errors({**content, "currencies": "EUR"}))
    several = yaml.safe_load(written.replace("customer_id: email", "customer_id: [email, order]"))
    assert list(checked.iter_errors(several)) == []
    # It is no export of the shop.
    assert len(adopt([tmp_path], tmp_path).sources.exports[0].files) == 1


def test_every_field_kind_and_key_has_a_meaning() -> None:
    assert tuple(FIELDS) == get_args(FieldName)
    assert tuple(KINDS) == get_args(KindName)
    for model in (Sources, Export, Layout, Kind, Database, Preset, PresetLayout, Ask):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("{order_id: Order, line_total: Total}", "its fields lack date; name the column of each"),
        ("{order_id: Order, date: Day}", "its fields lack line_total; name the column of each"),
    ],
)
def test_a_layout_needs_an_order_a_day_and_an_amount(tmp_path: Path, fields: str, message: str) -> None:
    text = GOOD.replace("{order_id: Order, date: Day, line_total: [Total]}", fields)
    (tmp_path / "sources.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PlatformError, match=message):
        load_sources(tmp_path)


def test_a_field_of_a_column_that_is_not_there_stops(tmp_path: Path) -> None:
    text = GOOD.replace("date: Day", "date: Day, customer_id: [Mail, E-mail]")
    (tmp_path / "sources.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "a.csv").write_text("Order,Day,Total\n1,2024-01-15,2.50\n", encoding="utf-8")
    sources = load_sources(tmp_path)
    assert sources is not None
    with pytest.raises(
        PlatformError,
        match="layout records, field customer_id: its records have no column Mail or E-mail, only Order, Day, Total",
    ):
        look_at(sources, tmp_path)
