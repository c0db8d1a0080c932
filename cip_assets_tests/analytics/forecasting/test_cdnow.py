"""The reader of the CDNOW sample, compared with the summary in the same package."""

from __future__ import annotations

import csv
import io
import zipfile

import numpy as np
import pytest

from cip_assets.synthetic.cdnow import cdnow_cases

SUMMARY = "lifetimes/datasets/cdnow_customers_summary_with_transactions.csv"


def test_purchases_add_up_to_the_published_summary(cdnow, cdnow_wheel):
    with zipfile.ZipFile(cdnow_wheel) as opened:
        rows = list(csv.DictReader(io.StringIO(opened.read(SUMMARY).decode())))
    x, t_x, age, mean = (np.array([float(row[name]) for row in rows]) for name in ("x", "t_x", "T", "zbar"))
    assert (cdnow.x == x).all()
    # The summary has weeks with two decimals, and the reader has days.
    assert cdnow.t_x / 7 == pytest.approx(t_x, abs=0.0051)
    assert cdnow.age / 7 == pytest.approx(age, abs=0.0051)
    assert cdnow.mean_value[x > 0] == pytest.approx(mean[x > 0], abs=0.0051)
    assert np.isnan(cdnow.mean_value[x == 0]).all()


def test_the_error_names_an_archive_without_the_sample(tmp_path):
    path = tmp_path / "other.whl"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("a.txt", "")
    with pytest.raises(ValueError, match=r"other\.whl does not contain"):
        cdnow_cases(path)
