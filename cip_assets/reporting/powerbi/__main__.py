"""Write the project again, with the rules in force: ``python -m cip_assets.reporting.powerbi``."""

import shutil

from cip_assets.config.rules import load_rules, rules_file
from cip_assets.reporting.powerbi.project import FOLDER, files

if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, text in files(load_rules(rules_file())).items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
