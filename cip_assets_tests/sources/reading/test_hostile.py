"""The first files of ``python -m cip_assets_tests.torture fuzz``, and what it finds wrong."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from cip_assets_tests.torture.fuzz import FORMS, Case, cases, wrong_with


def test_hostile_files_arrive_as_they_are_or_are_refused(tmp_path: Path) -> None:
    found = [(case.form, wrong) for case in islice(cases(26), 500) if (wrong := wrong_with(case, tmp_path))]
    assert found == []


@pytest.mark.parametrize("form", FORMS)
def test_a_cell_that_arrives_differently_is_found(form: str, tmp_path: Path) -> None:
    case = next(case for case in cases(1) if case.form == form and case.rows)
    assert wrong_with(case, tmp_path) is None
    other = replace(case, rows=[["bob", *case.rows[0][1:]], *case.rows[1:]] if case.rows else None)
    assert "in place of" in str(wrong_with(other, tmp_path))


def test_a_whole_file_that_is_refused_is_found(tmp_path: Path) -> None:
    for form in ("CSV", "landing CSV"):
        assert "a whole file is refused" in str(wrong_with(Case(form, b"\0", [["a"]]), tmp_path))
