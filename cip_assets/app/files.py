"""The CSV files of any stored day: the same bytes that the run of that day exports."""

import tempfile
from pathlib import Path

from cip_assets.app.page import Ask, NotFoundError
from cip_assets.layers import CSV_FILES
from cip_assets.storage.csv_export import export_csv

FILES = {file.name: file for file in CSV_FILES}


def content_of(ask: Ask) -> bytes:
    """The content of the file that is asked for by name.

    Personal data is as the rules say for exported files, whatever the role sees on a page.

    Raises:
        NotFoundError: there is no such file, or its mart has no rows of the day.

    """
    name = ask.one("name")
    if name not in FILES:
        raise NotFoundError(f"There is no file {name!r}.")
    file = FILES[name]
    if not ask.lake.has(file.mart.name, ask.day):
        raise NotFoundError(f"{file.mart.name} has no rows of {ask.day}.")
    if "customer_id" in file.columns:
        ask.look_up("file", None, file=name)
    with tempfile.TemporaryDirectory() as folder:
        uri = ask.lake.settings.table_uri(file.mart.layer, file.mart.table)
        return export_csv(file, uri, ask.day, Path(folder), ask.rules).path.read_bytes()
