"""The file of kept results counts for the code that wrote it, and never stops a run."""

from pathlib import Path

import pytest

from cip_assets.analytics.kept import Kept
from cip_assets.storage import kept

EXACT = 0.1 + 0.2


def written(folder: Path) -> Path:
    path = folder / "kept" / "forecast_model.json"
    results = Kept()
    results.made("sum", [0.1, 0.2], lambda: EXACT)
    kept.write(path, "code", results)
    return path


def is_found(path: Path, code: str) -> bool:
    return kept.read(path, code).made("sum", [0.1, 0.2], lambda: None) == EXACT


def test_results_are_found_by_the_code_that_made_them(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert is_found(path, "code")
    assert not is_found(path, "other code")


def test_results_of_other_libraries_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    monkeypatch.setattr(kept, "LIBRARIES", "numpy 1, scipy 1")
    assert not is_found(path, "code")


@pytest.mark.parametrize(
    "damaged", ["", "{", "[]", '{"code": "code"}', '{"code": "code", "libraries": 1}', "\x00"]
)
def test_a_damaged_file_is_computed_again(tmp_path: Path, damaged: str) -> None:
    path = written(tmp_path)
    path.write_text(damaged, encoding="utf-8")
    assert not is_found(path, "code")
    path.unlink()
    assert not is_found(path, "code")
