"""Write the quickstart's table and picture into the README, with the commit and seed they come from.

    ecg-bench quickstart --out quickstart && python benchmarks/readme_table.py quickstart

No number in the README is typed by hand.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- quickstart table: begin -->\n", "<!-- quickstart table: end -->\n"


def main(quickstart: Path) -> None:
    report = (quickstart / "report.md").read_text()
    lifts = [line.strip() for line in report.splitlines() if "**ECG lift" in line]
    table = [line for line in report.splitlines() if line.startswith("|")]
    counts = next(line for line in report.splitlines() if "95 % intervals" in line)
    minutes = next(line for line in report.splitlines() if line.startswith("Took")).split(".", 2)
    run = json.loads((quickstart / "models" / "patch" / "run.json").read_text())
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    note = f"{counts} Synthetic data, seed {run['seed']}, commit {commit.stdout.strip()}; {minutes[0].lower()}."
    note += f"{minutes[1]} on two CPU cores."
    text = "\n".join(["", *(f"- {line}" for line in lifts), "", *table, "", note, ""]) + "\n"
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(before + BEGIN + text + END + after)
    shutil.copy(quickstart / "example.png", ROOT / "docs" / "quickstart.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart"))
