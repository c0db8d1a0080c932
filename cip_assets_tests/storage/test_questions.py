"""Small queries share a database and nothing else."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from cip_assets.storage import questions


def test_a_connection_does_not_see_the_tables_of_another() -> None:
    with questions.connection() as outer:
        outer.register("rows", pa.table({"n": [1]}))
        with questions.connection() as inner:
            inner.register("rows", pa.table({"n": [2]}))
            assert inner.execute("FROM rows").fetchall() == [(2,)]
        assert outer.execute("FROM rows").fetchall() == [(1,)]
    with questions.connection() as later, pytest.raises(Exception, match="rows does not exist"):
        later.execute("FROM rows")


def test_a_changed_file_is_read_again_even_if_its_time_and_size_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    for content in ("n\n1\n", "n\n2\n"):
        path.write_text(content, encoding="utf-8")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        with questions.connection() as connection:
            read = connection.execute("FROM read_csv(?)", [str(path)]).fetchall()
        assert read == [(int(content[2]),)]


def test_threads_can_query_at_the_same_time() -> None:
    def ask(number: int) -> int:
        with questions.connection() as connection:
            connection.register("rows", pa.table({"n": [number] * 1000}))
            ((total,),) = connection.execute("SELECT sum(n) FROM rows").fetchall()
        return int(total)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(100))) == [1000 * number for number in range(100)]
