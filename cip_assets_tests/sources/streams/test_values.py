"""Records become lines of landing files, and what cannot be read becomes a line that is quarantined with its place."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cip_assets.ingest.csv_records import read_header, read_records
from cip_assets.sources.streams.records import Records
from cip_assets.sources.streams.topics import Topic
from cip_assets.sources.streams.values import landing_text

RETURNS = Topic(topic="back", table="returns", columns={"customer_id": "customer.id"}, ignored=("shop",))
LINES = Topic(
    topic="lines", table="returns", values="csv", header=("return_id", "customer_id", "amount", "return_date")
)
GOOD = (
    b'{"return_id": "r1", "customer": {"id": 7}, "amount": 12.50, "return_date": "2024-05-17", "shop": null}'
)


def read(folder: Path, text: bytes) -> tuple[list[dict[str, str]], list[str]]:
    """The whole lines and the ragged ones of a landing file, as the platform reads them."""
    path = folder / "a.csv"
    path.write_bytes(text)
    header = read_header(path).names
    blocks = list(read_records(path, header, header))
    whole = [row for block in blocks for row in block.columns.to_pylist()]
    return whole, [ragged.text for block in blocks for ragged in block.ragged]


def lines_of(folder: Path, topic: Topic, *values: bytes | None) -> tuple[list[dict[str, str]], list[str]]:
    return read(folder, landing_text(topic, 3, Records([*range(40, 40 + len(values))], [*values])))


def test_fields_become_columns_and_numbers_keep_their_digits(tmp_path: Path) -> None:
    (line,), ragged = lines_of(tmp_path, RETURNS, GOOD)
    assert ragged == []
    assert {name: text for name, text in line.items() if text} == {
        "return_id": "r1",
        "customer_id": "7",
        "amount": "12.50",
        "return_date": "2024-05-17",
        "stream_offset": "40",
    }


def test_json_may_come_after_the_number_of_its_schema(tmp_path: Path) -> None:
    whole, ragged = lines_of(tmp_path, RETURNS, b"\0\0\0\1\2" + GOOD, GOOD)
    assert [line["return_id"] for line in whole] == ["r1", "r1"]
    assert ragged == []


def test_a_line_of_csv_has_the_fields_of_the_header(tmp_path: Path) -> None:
    (line,), (ragged,) = lines_of(tmp_path, LINES, b'r1,"7, 8",1,2024-05-17\n', b"r2,7")
    assert (line["return_id"], line["customer_id"], line["stream_offset"]) == ("r1", "7, 8", "40")
    assert ragged == '"r2,7","lines:3:41: it has 2 fields, and header has 4"'


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "the record has no value"),
        (b"\xff{}", "it is not UTF-8"),
        (b"", "it is no JSON object"),
        (b"[1]", "it is no JSON object"),
        (b'{"return_id": "r1"', "it is no JSON object"),
        (b'{"return_id": "\\ud800"}', "it is no JSON object"),
        (b"[" * 100_000, "it is no JSON object"),
        (b'{"return_id": "r1", "colour": 1}', "sources.yaml does not know the field 'colour'"),
        (b'{"return_id": "r1", "return_id": "r2"}', "sources.yaml does not know the field 'return_id_2'"),
        (b'{"return_id": ""}', "it has no return_id"),
        (b'{"return_id": "r\\u0000"}', "it contains a NUL character"),
    ],
)
def test_a_record_that_cannot_be_read_says_where_it_is_and_why(
    tmp_path: Path, value: bytes | None, why: str
) -> None:
    whole, (ragged,) = lines_of(tmp_path, RETURNS, GOOD, value, GOOD)
    assert [line["stream_offset"] for line in whole] == ["40", "42"]
    assert ragged.endswith(f'back:3:41: {why}"' if ", " in why else f"back:3:41: {why}")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.text('a"\\\n\r,{}:\0', max_size=30).map(str.encode)), max_size=6
    )
)
def test_no_record_makes_a_file_unreadable(
    tmp_path_factory: pytest.TempPathFactory, values: list[bytes]
) -> None:
    whole, ragged = lines_of(tmp_path_factory.getbasetemp(), RETURNS, *values, GOOD)
    assert len(whole) + len(ragged) == len(values) + 1
    whole, ragged = lines_of(tmp_path_factory.getbasetemp(), LINES, *values, b'"r\\""",7,"\\"\n",2024-05-17')
    assert len(whole) + len(ragged) == len(values) + 1


FIELDS = st.fixed_dictionaries(
    {
        "return_id": st.text("ab,1", min_size=1, max_size=4),
        "customer": st.fixed_dictionaries({"id": st.one_of(st.integers(), st.none(), st.text(max_size=3))}),
        "amount": st.one_of(st.floats(allow_nan=False), st.booleans(), st.just("1,5")),
        "reason": st.text('a,"\\\n: {}[]ü', max_size=5),
    },
    optional={"shop": st.just([1]), "return_date": st.just("null")},
)
BROKEN = st.sampled_from(
    [
        f'{{"return_id": "a", "amount": {rest}'.encode()
        for rest in (
            "01}",
            "1",
            "}",
            "nul}",
            "NaN}",
            "1}}",
            "1,2}",
            '"1}',
            "1} ",
            "1}",
            "2.50}",
            '1,"amount":1}',
        )
    ]
    + [f"{{{rest}}}".encode() for rest in ('"return_id": "a" "amount": 1', '"return_id": "", "amount": 1')]
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            BROKEN,
            FIELDS.map(lambda fields: json.dumps(fields).encode()),
            st.just(GOOD),
            st.none(),
            st.binary(max_size=9),
        ),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
def test_records_that_are_alike_get_the_lines_that_each_gets_by_itself(
    values: list[bytes | None], is_text: bool
) -> None:
    values = [value for value in values if not is_text or value is None or value.isascii()] + [GOOD]
    records = Records([*range(len(values))], values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cip_assets.sources.streams.values.ENOUGH", 1)
        patch.setattr("cip_assets.sources.streams.alike.ENOUGH", 1)
        together = landing_text(RETURNS, 3, records)
    assert together == landing_text(RETURNS, 3, records)
