"""Records of JSON Lines and JSON arrays."""

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cip_assets.sources.reading import json_rows, text
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets_tests.sources.reading.readings import dialect_of, records_of, values_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.json"


@pytest.mark.parametrize(
    ("value", "column"),
    [
        pytest.param("9007199254740993", "9007199254740993", id="an integer that no double holds"),
        pytest.param("10.50", "10.50", id="a decimal with its last zero"),
        pytest.param("1e400", "1e400", id="a number that no double holds"),
        pytest.param('"007"', "007", id="text"),
        pytest.param("true", "true", id="true"),
        pytest.param("false", "false", id="false"),
        pytest.param("null", None, id="null"),
        pytest.param('[{"p": 1.10, "n": null}, "ü"]', '[{"p":1.10,"n":null},"ü"]', id="an array"),
        pytest.param(r'"\ud83d\ude42"', "\U0001f642", id="two halves of a character"),
    ],
)
@pytest.mark.parametrize("form", ['{{"id": {}}}\n', '[{{"id": {}}}]'])
def test_a_value_is_text_with_its_digits(path: Path, form: str, value: str, column: str | None) -> None:
    assert [record["id"] for record in records_of(path, form.format(value))] == [column]


def test_nested_objects_are_flattened_and_columns_are_those_of_all_records(path: Path) -> None:
    content = '{"id": 1, "customer": {"email": "a", "address": {"zip": "01"}}}\n\n{"id": 2, "customer": null, "line": 7}\n'
    assert dialect_of(path, content).columns == ("id", "customer.email", "customer.address.zip", "line_2")
    assert values_of(path, content) == [(1, "1", "a", "01", None, None), (3, "2", None, None, "7", None)]


def test_a_name_that_occurs_twice_keeps_both_values(path: Path) -> None:
    content = '{"a": 1, "a": 2, "b.c": 3, "b": {"c": 4}}\n'
    assert dialect_of(path, content).columns == ("a", "a_2", "b.c", "b.c_2")
    assert values_of(path, content) == [(1, "1", "2", "3", "4", None)]


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        pytest.param('{"a": 1}\n{"a": 2}\n{"a": "cu', [(3, '{"a": "cu')], id="a line that is cut off"),
        pytest.param('{"a": 1}\n[2]\n{"a": 3}\n', [(2, "[2]")], id="no object"),
        pytest.param('{"a": 1}\n{"a": "\\ud800"}\n', [(2, '{"a": "\\ud800"}')], id="half a character"),
        pytest.param(
            '[{"a": 1},\n{"a": 2},\n{"a": ', [(3, '{"a":')], id="an array that is cut off in a record"
        ),
        pytest.param('[{"a": 1},\n{"a": 2},', [(3, "")], id="an array that is cut off between records"),
        pytest.param(
            '[\n  {"a": 1},\n  {"a": oops},\n  {"a": {"b":\n    {}}}\n]',
            [(3, '{"a": oops}')],
            id="a broken record in an array",
        ),
        pytest.param('[{"a": 1}] {"a": 2}', [(2, '{"a": 2}')], id="something after an array"),
    ],
)
def test_what_is_not_json_is_kept_as_text(path: Path, content: str, problems: list[tuple[int, str]]) -> None:
    found = records_of(path, content)
    assert [(r["line"], r["record_text"]) for r in found if r["problem"] == "not_json"] == problems
    assert len(found) - len(problems) == content.count('"a"') - sum(part.count('"a"') for _, part in problems)


@pytest.mark.parametrize("depth", [400, 900, 100_000])
@pytest.mark.parametrize(("first", "last"), [('{"b":', "}"), ("[", "]"), ('[{"b":', "}]")])
def test_a_record_that_is_nested_too_deeply_costs_no_other(
    path: Path, depth: int, first: str, last: str
) -> None:
    deep = '{"a": ' + first * depth + "1" + last * depth + "}"
    for content in (f'{{"a": 1}}\n{deep}\n{{"a": 3}}\n', f'[{{"a": 1}},\n{deep},\n{{"a": 3}}\n]'):
        found = records_of(path, content)
        assert [(record["line"], record["record_text"]) for record in found] == [
            (1, '{"a": 1}'),
            (2, deep),
            (3, '{"a": 3}'),
        ]
        assert [record["problem"] for record in found][::2] == [None, None]


@pytest.mark.parametrize("block", [1, 2, 5, 17, 1000])
def test_an_array_may_be_cut_into_blocks_anywhere(
    path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(json_rows, "BLOCK_CHARACTERS", block)
    content = '[\r\n{"a": "x]}\\"", "n": 12345}\r\n,{"a": true, "n": [1, {}]}\r\n]\r\n'
    assert values_of(path, content) == [(2, 'x]}"', "12345", None), (3, "true", "[1,{}]", None)]


@pytest.mark.parametrize("block", [1, 2, 3, 1000])
def test_a_number_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(json_rows, "BLOCK_CHARACTERS", block)
    stream = io.StringIO("[{}" + ", 12345" * 20 + "]")
    assert [record for _, record, _ in json_rows.records(stream, "a", "json_array")] == [
        "{}",
        *["12345"] * 20,
    ]


def test_elements_on_one_line_are_records_of_their_own(path: Path) -> None:
    found = records_of(path, '[{"a": 1}, {"a": 2},\n{"a": 3}]')
    assert [record["line"] for record in found] == [1, 2, 3]


@pytest.mark.parametrize(
    "content",
    [
        '{"orders": [{"a": 1}, {"a": 2}]}',
        '{"count": 2, "next": null,\n"results": [\n{"a": 1},\n{"a": 2}],\n"took": {"ms": [3]}}\n',
        '{"data": {"orders": [{"a": 1}, {"a": 2}]}}',
    ],
)
def test_an_array_may_be_in_an_object(path: Path, content: str) -> None:
    assert [record["a"] for record in records_of(path, content)] == ["1", "2"]


def test_an_object_after_that_with_the_array_is_refused(path: Path) -> None:
    with pytest.raises(UnreadableExport, match="line 1: there is more after the first object"):
        records_of(path, '{"orders": [{"a": 1}]}\n{"orders": [{"a": 2}]}\n')


def test_a_list_in_each_of_several_objects_is_a_column(path: Path) -> None:
    assert dialect_of(path, '{"id": 1, "rows": [{"a": 1}]}\n{"id": 2, "rows": []}\n').columns == (
        "id",
        "rows",
    )


@pytest.mark.parametrize("content", ['{\n"shop": {\n"a": [1,\n2]\n}\n}\n', '{"a": 1\n{"a": 2\n'])
def test_a_file_that_is_mostly_not_json_lines_is_refused(path: Path, content: str) -> None:
    with pytest.raises(
        UnreadableExport, match=r"^a\.json: \d of \d records are not JSON objects; write one object"
    ):
        dialect_of(path, content)


def test_a_record_that_is_too_long_is_refused_with_its_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "RECORD_LIMIT", 50)
    monkeypatch.setattr(json_rows, "BLOCK_CHARACTERS", 10)
    with pytest.raises(UnreadableExport, match=r"^a\.json, line 2: it begins a record of more than"):
        records_of(path, '[{"a": 1},\n{"a": "' + "x" * 200 + '"}]')


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["id", "name", "x"]), VALUES, min_size=1), min_size=1, max_size=5
    ),
    st.sampled_from([None, 2]),
)
def test_any_array_has_the_records_that_were_written(
    objects: list[dict[str, object]], indent: int | None
) -> None:
    with TemporaryDirectory() as folder:
        found = records_of(Path(folder) / "a.json", json.dumps(objects, indent=indent))
    assert [json.loads(record["record_text"]) for record in found] == objects
    assert {record["problem"] for record in found} == {None}
