"""``cip adopt`` writes ``sources.yaml`` again, and what a person wrote into it survives."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cip_assets.config.errors import PlatformError
from cip_assets.sources.adopt import adopt, write
from cip_assets.sources.config import FIELDS, KINDS, Sources, load_sources
from cip_assets.sources.rewrite import rewritten, written

HAND_WRITTEN = """\
# Our shop. Ask Ann before you change it.
first_month: 2024-01-01   # we opened then

currency: EUR
exports:
  # the till
  - files:
      - till/january.csv  # counted by hand
      - till/february.csv
    layouts:
      - header: [Receipt, Day, Who, Amount]
        table: orders     # the default, and said all the same
        fields:
          customer_id: 'Who'   # a card number
          order_id: Receipt
          date: "Day"
          line_total: [Amount]
        kinds:
          # staff pays nothing
          - when: |
              amount = 0
              OR customer_id = 'staff'
            is: cancelled
# the end
"""
WORDS = (
    "our shop",
    "we opened",
    "the till",
    "by hand",
    "and said",
    "a card number",
    "staff pays",
    "the end",
)


def parsed(text: str) -> Sources:
    return Sources.model_validate(yaml.safe_load(text))


def comments(text: str) -> str:
    return "\n".join(line.partition("#")[2] for line in text.splitlines() if "#" in line).lower()


BEFORE = parsed(HAND_WRITTEN)


def changed(**given: Any) -> Sources:
    return BEFORE.model_copy(update=given)


def with_layout(*header: str) -> Sources:
    (export,) = BEFORE.exports
    new = export.layouts[0].model_copy(update={"header": header, "kinds": ()})
    return changed(exports=(export.model_copy(update={"layouts": (*export.layouts, new)}),))


def with_files(*files: str) -> Sources:
    (export,) = BEFORE.exports
    return changed(exports=(export.model_copy(update={"files": (*export.files, *files)}),))


AFTER = {
    "an earlier month": changed(first_month=date(2023, 5, 1)),
    "another currency": changed(currency="USD"),
    "no currency": changed(currency=None),
    "rates": changed(rates="rates.csv"),
    "files": with_files("till/march.csv", "till/*.csv"),
    # YAML 1.1 takes these for truth values, times and numbers.
    "a layout": with_layout(
        "Receipt", "Day", "Who", "Amount", "No", "on", "12:30", "1_000", "2024-01-01", "~", "a: b"
    ),
    "an export": changed(
        exports=(*BEFORE.exports, *with_layout("Receipt", "Day", "Who", "Amount", "#").exports)
    ),
}


@pytest.mark.parametrize("what", AFTER)
def test_what_is_new_is_added_and_the_rest_stays(what: str) -> None:
    after = Sources.model_validate(AFTER[what].model_dump(by_alias=True))
    text = rewritten(HAND_WRITTEN, BEFORE, after)
    assert parsed(text) == after
    assert [word for word in WORDS if word not in comments(text)] == []
    for kept in ("customer_id: 'Who'", 'date: "Day"', "line_total: [Amount]", "table: orders", "when: |"):
        assert kept in text
    assert rewritten(text, after, after) == text
    assert parsed(rewritten(text, after, BEFORE)) == BEFORE


def test_without_a_change_not_a_byte_changes() -> None:
    assert rewritten(HAND_WRITTEN, BEFORE, BEFORE) == HAND_WRITTEN


def test_a_key_that_is_there_twice_is_one_line() -> None:
    twice = f"{HAND_WRITTEN}currency: EUR\n"
    with pytest.raises(PlatformError, match=r"^sources\.yaml cannot be written again: .*currency.*$"):
        rewritten(twice, BEFORE, changed(currency="USD"))


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


@st.composite
def exports(draw: st.DrawFn) -> dict[str, Any]:
    header = draw(st.lists(texts, min_size=4, max_size=6, unique=True))
    fields = dict(zip(("order_id", "date", "line_total"), header, strict=False))
    more = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3))
    kinds = draw(st.lists(st.tuples(st.sampled_from(sorted(KINDS)), texts), max_size=2))
    layout = {
        "header": header,
        "fields": {**fields, **{name: header[:2] for name in more if name not in fields}},
        "date_order": draw(st.sampled_from(["ymd", "dmy"])),
        "kinds": [{"is": kind, "when": when} for kind, when in kinds],
    }
    return {"files": draw(st.lists(texts, min_size=1, max_size=3)), "layouts": [layout]}


@settings(max_examples=60, deadline=None)
@given(st.lists(exports(), min_size=1, max_size=2), st.lists(exports(), max_size=2), texts, st.data())
def test_any_addition_is_read_as_it_was_meant(
    old: list[dict[str, Any]], new: list[dict[str, Any]], file: str, data: st.DataObject
) -> None:
    before = Sources.model_validate({"first_month": "2024-01-01", "exports": old})
    first = old[0]
    added = {
        **first,
        "files": [*first["files"], file],
        "layouts": [*first["layouts"], *(n["layouts"][0] for n in new)],
    }
    after = Sources.model_validate({"first_month": "2023-12-01", "exports": [added, *old[1:], *new]})
    lines = written(before).splitlines()
    marked = data.draw(st.integers(0, len(lines) - 1))
    # Only between keys, because a text may go on in the next line.
    while marked and not lines[marked].lstrip().startswith(
        ("-", "layouts:", "fields:", "kinds:", "exports:")
    ):
        marked -= 1
    text = "\n".join([*lines[:marked], "# mind this", *lines[marked:], ""])
    again = rewritten(text, before, after)
    assert parsed(again) == after
    assert again.count("# mind this") == 1


def test_a_further_adopt_keeps_the_comments_of_a_person(tmp_path: Path) -> None:
    header = "order,date,customer,sku,qty,price\n"
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "january.csv").write_text(f"{header}1,2024-01-15,ann,P1,1,5.00\n", encoding="utf-8")
    path = write(adopt([folder], tmp_path), tmp_path)
    text = path.read_text("utf-8").replace("exports:\n", "exports:\n# of the till\n")
    path.write_text(
        text.replace("customer_id: customer", "customer_id: customer  # a card"), encoding="utf-8"
    )
    (folder / "february.csv").write_text(f"{header}2,2023-02-15,bob,P1,1,5.00\n", encoding="utf-8")
    (folder / "march.csv").write_text(f"{header[:-1]},shop\n3,2024-03-15,bob,P1,1,5.00,A\n", encoding="utf-8")
    write(adopt([folder], tmp_path), tmp_path)
    again = path.read_text("utf-8")
    assert ("# of the till" in again, "customer_id: customer  # a card" in again) == (True, True)
    assert again.startswith("# yaml-language-server: $schema=sources/schema.json\n")
    found = load_sources(tmp_path)
    assert found is not None
    assert str(found.first_month) == "2023-02-01"
    files = [name for export in found.exports for name in export.files]
    assert files == ["shop/january.csv", "shop/february.csv", "shop/march.csv"]
    assert write(adopt([folder], tmp_path), tmp_path).read_text("utf-8") == again
