"""``sources.yaml``: what is wrong in it is named in one line."""

from pathlib import Path

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import Export, files_of, load_sources

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
            r"exports\.0\.layouts\.0\.date_order: Input should be 'ymd', 'mdy' or 'dmy'",
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
