"""The landing files: layout, determinism, and the ground truth of every planted line."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import yaml

from cip_assets.config.rules import DEFAULT_RULES
from cip_assets.layers import EVENT_TABLES, SOURCE_TABLES
from cip_assets.synthetic import GeneratorConfig, generate, tables
from cip_assets.synthetic.defects import DEFECTS, ORPHAN

if TYPE_CHECKING:
    from pathlib import Path

    from cip_assets_tests.synthetic.conftest import Landing

SMALL = GeneratorConfig(end=date(2024, 2, 10), customers=300, months=3)
VOCABULARY: dict[str, list[str]] = yaml.safe_load(DEFAULT_RULES.read_text(encoding="utf-8"))["vocabulary"]


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_config_gives_the_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    generate(SMALL, tmp_path / "one")
    generate(SMALL, tmp_path / "two")
    generate(GeneratorConfig(end=SMALL.end, customers=300, months=3, seed=43), tmp_path / "three")
    one, two, three = (digests(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one.keys() == three.keys()
    assert all(one[name] != three[name] for name in one)


def test_there_is_one_file_per_month_and_the_current_month_ends_with_the_data(tmp_path: Path) -> None:
    generate(SMALL, tmp_path)
    for table in EVENT_TABLES:
        folders = sorted(path.name for path in (tmp_path / table).iterdir())
        assert folders == ["dt=2023-11-30", "dt=2023-12-31", "dt=2024-01-31", "dt=2024-02-10"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "_truth.csv",
        "_truth.json",
        "customers.csv",
        "products.csv",
    ]
    assert not (tmp_path / "_generating").exists()


def test_columns_and_words_match_the_contracts_and_rules(story: Landing) -> None:
    assert {name: source.columns for name, source in SOURCE_TABLES.items()} == tables.COLUMNS
    for path in story.folder.rglob("*.csv"):
        if not path.name.startswith("_"):
            assert path.read_text(encoding="utf-8").split("\n")[0] == ",".join(tables.COLUMNS[path.stem])
    blemished = {(line["file"], int(line["line"])) for line in story.defects()}
    for key, words in VOCABULARY.items():
        table, column = key.split(".")
        position = tables.COLUMNS[table].index(column)
        used = {
            fields[position] for file, line, fields in story.records(table) if (file, line) not in blemished
        }
        assert used <= set(words), key


def test_files_are_plain_utf8_csv_with_quotes_only_if_needed(story: Landing) -> None:
    for path in story.folder.rglob("*.csv"):
        content = path.read_bytes()
        assert b"\r" not in content
        assert content.endswith(b"\n")
        text = content.decode("utf-8")
        with path.open(encoding="utf-8", newline="") as file:
            assert sum(1 for _ in csv.reader(file)) == text.count("\n")
    names = (story.folder / "customers.csv").read_text(encoding="utf-8")
    assert '"King, Jr."' in names
    assert '"Robert ""Bob"""' in names
    assert "小林" in names


def test_a_folder_with_landing_files_is_refused_and_stays_unchanged(tmp_path: Path) -> None:
    present = tmp_path / "returns" / "2024" / "a.csv.gz"
    present.parent.mkdir(parents=True)
    present.write_bytes(b"real data")
    with pytest.raises(ValueError, match=r"already holds landing files.*a\.csv\.gz.*another folder"):
        generate(SMALL, tmp_path)
    assert digests(tmp_path).keys() == {"returns/2024/a.csv.gz"}


def test_an_interrupted_generation_leaves_no_data_and_does_not_block_the_next_one(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(SMALL, tmp_path, interrupt)
    assert {path.name for path in tmp_path.iterdir()} == {"_generating"}
    generate(SMALL, tmp_path)
    generate(SMALL, tmp_path.with_name("fresh"))
    assert digests(tmp_path) == digests(tmp_path.with_name("fresh"))


def test_every_kind_of_defect_occurs_and_is_counted(story: Landing) -> None:
    found: dict[str, Counter[tuple[str, str, str]]] = defaultdict(Counter)
    for line in story.defects():
        found[line["table"]][line["defect"], line["outcome"], line["reason"]] += 1
    for table, defects in DEFECTS.items():
        expected = {(defect.kind, defect.outcome, defect.reason) for defect in defects}
        if table in EVENT_TABLES:
            expected.add((ORPHAN.kind, ORPHAN.outcome, ORPHAN.reason))
        assert found[table].keys() == expected
        if table != "products":  # it has too few rows for a share of defects, so each kind occurs once
            share = found[table].total() / story.truth.rows[table].landed
            assert share == pytest.approx(0.01, abs=0.002)
        assert Counter(reason for _, _, reason in found[table].elements()) == story.truth.reasons[table]


def test_each_defect_is_on_its_recorded_line(story: Landing) -> None:
    lines = {
        str(path.relative_to(story.folder)): path.read_text(encoding="utf-8").split("\n")
        for path in story.folder.rglob("*.csv")
    }
    known = {fields[0] for fields in story.clean("customers")}
    listed = story.defects()
    assert len({(line["file"], line["line"]) for line in listed}) == len(listed)
    for line in listed:
        columns = tables.COLUMNS[line["table"]]
        physical = lines[line["file"]][int(line["line"]) - 1]
        (fields,) = csv.reader([physical])
        assert fields[0].strip() == line["id"]
        name, problem = line["reason"].split(":")
        if problem == "too_few_fields":
            assert len(fields) < len(columns)
            continue
        if problem == "too_many_fields":
            assert len(fields) > len(columns)
            continue
        row = dict(zip(columns, fields, strict=True))
        value = row[name]
        match problem:
            case "missing" | "filled":
                assert value.strip() == ""
            case "not_a_date":
                with pytest.raises(ValueError, match=r".+"):
                    date.fromisoformat(value)
            case "outside_calendar":
                when = date.fromisoformat(value[:10])
                assert not date(2023, 1, 1) <= when <= date(2026, 12, 31)
                assert row.get("resolved_date", "") in ("", max(value, row.get("resolved_date", "")))
            case "not_a_number":
                assert not re.fullmatch(r"-?\d+(\.\d+)?", value)
            case "below_minimum":
                assert Decimal(value) < (1 if name == "quantity" else 0)
            case "before_opened_date":
                assert value < row["opened_date"]
            case "orphan":
                assert value not in known
            case "implausible":
                assert not re.fullmatch(r"[^@ ]+@[^@ ]+\.[a-z]+", value)
            case "noncanonical":
                words = VOCABULARY[f"{line['table']}.{name}"]
                assert value not in words
                assert " ".join(value.split()).lower() in {word.lower() for word in words}
            case "superseded":
                pass  # the next test
            case _:
                pytest.fail(f"unknown reason {line['reason']}")


def test_the_last_delivery_of_an_id_is_the_clean_one(story: Landing) -> None:
    quarantined = {
        (line["file"], int(line["line"])) for line in story.defects() if line["outcome"] == "quarantined"
    }
    for table, columns in tables.COLUMNS.items():
        dated = columns.index(
            SOURCE_TABLES[table].event_date or columns[0]
        )  # a table of full deliveries has no event date, so the id is used
        places: dict[str, list[tuple[str, int, list[str]]]] = defaultdict(list)
        for file, number, fields in story.records(table):
            if (file, number) not in quarantined:
                places[fields[0]].append((file, number, fields))
        superseded = {
            (line["file"], int(line["line"]))
            for line in story.defects()
            if line["table"] == table and line["outcome"] == "superseded"
        }
        earlier = {
            (file, number)
            for group in places.values()
            for file, number, _ in sorted(group, key=lambda p: p[:2])[:-1]
        }
        assert earlier == superseded
        assert all(len({fields[dated] for _, _, fields in group}) == 1 for group in places.values())


def test_clean_rows_and_money_match_the_ground_truth(story: Landing) -> None:
    stated = json.loads((story.folder / "_truth.json").read_text(encoding="utf-8"))
    for table in tables.COLUMNS:
        rows = story.truth.rows[table]
        assert rows.landed == sum(1 for _ in story.records(table))
        assert rows.clean == len(story.clean(table)) == rows.landed - rows.quarantined - rows.superseded
        assert stated["rows"][table]["clean"] == rows.clean
    for table in ("transactions", "returns"):
        amount = tables.COLUMNS[table].index("amount")
        total = sum(Decimal(fields[amount]) for fields in story.clean(table))
        assert str(total) == stated["money"][table]


def test_clean_rows_are_consistent_across_tables(story: Landing) -> None:
    bought = {fields[0]: dict(zip(tables.COLUMNS["transactions"], fields, strict=True))
              for fields in story.clean("transactions")}  # fmt: skip
    for row in bought.values():
        assert Decimal(row["amount"]) == int(row["quantity"]) * Decimal(row["price"])
    for fields in story.clean("returns"):
        back = dict(zip(tables.COLUMNS["returns"], fields, strict=True))
        sold = bought[back["transaction_id"]]
        assert (back["customer_id"], back["product_id"]) == (sold["customer_id"], sold["product_id"])
        assert 0 < Decimal(back["amount"]) <= Decimal(sold["amount"])
        days = (date.fromisoformat(back["return_date"]) - date.fromisoformat(sold["transaction_date"])).days
        assert 1 <= days <= 45
    signup = {fields[0]: fields[6] for fields in story.clean("customers")}
    for table in EVENT_TABLES:
        columns = tables.COLUMNS[table]
        dated = columns.index(str(SOURCE_TABLES[table].event_date))
        who = columns.index("customer_id")
        for fields in story.clean(table):
            assert signup.get(fields[who], "2023-11-01") <= fields[dated][:10] <= "2025-11-21"
    products = {fields[0]: (Decimal(fields[4]), Decimal(fields[5])) for fields in story.clean("products")}
    assert len(products) == 500
    assert all(cost < price for cost, price in products.values())


def test_late_rows_are_in_the_next_months_file(story: Landing) -> None:
    for table in EVENT_TABLES:
        columns = tables.COLUMNS[table]
        dated = columns.index(str(SOURCE_TABLES[table].event_date))
        blemished = {(line["file"], int(line["line"])) for line in story.defects()}
        moved = 0
        seen: Counter[str] = Counter(fields[0] for _, _, fields in story.records(table))
        for file, number, fields in story.records(table):
            if (file, number) not in blemished and seen[fields[0]] == 1:
                delivered = re.search(r"dt=(\d{4}-\d{2})", file)
                assert delivered is not None
                assert fields[dated][:7] <= delivered[1]
                moved += fields[dated][:7] < delivered[1]
        assert moved == story.truth.rows[table].late > 0


def test_without_defects_every_line_is_clean(tmp_path: Path) -> None:
    config = GeneratorConfig(end=SMALL.end, customers=300, months=3, defects=0)
    truth = generate(config, tmp_path)
    assert (tmp_path / "_truth.csv").read_text(encoding="utf-8").count("\n") == 1
    assert all(rows.landed == rows.clean > 0 for rows in truth.rows.values())


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(end=date(2023, 1, 1), customers=1, products=1),
        GeneratorConfig(
            end=date(2024, 2, 29), customers=3, products=2, months=1, defects=0.2, scenario="steady"
        ),
    ],
)
def test_the_smallest_cases_work(tmp_path: Path, config: GeneratorConfig) -> None:
    truth = generate(config, tmp_path)
    assert truth.rows["customers"].clean == config.customers


def test_progress_reaches_the_number_of_customers(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    generate(SMALL, tmp_path, lambda done, total: calls.append((done, total)))
    assert calls == [(0, 300), (300, 300)]
