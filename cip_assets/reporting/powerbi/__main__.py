"""Write the project again: ``python -m cip_assets.reporting.powerbi``."""

import shutil

from cip_assets.reporting.powerbi.project import FOLDER, files

if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, text in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
