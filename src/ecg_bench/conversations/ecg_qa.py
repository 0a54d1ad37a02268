"""ECG-QA (Oh et al., NeurIPS 2023, github.com/Jwoo5/ecg-qa, CC BY 4.0) -> Conversations.

The published folder holds `ecgqa/{ptbxl,mimic-iv-ecg}/{template,paraphrased}/{train,valid,test}/*.json`.
`root` may be that repository, its `ecgqa` folder, or one database's folder in it.

An answer is a set of labels (the two forms list it in different orders), joined by "; ". Single questions show
one ECG, comparison questions two. The official splits are kept in metadata["split"]; they are disjoint by
patient but are not PTB-XL's folds, so split the store by them: `ecg-bench data split --conversations`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ecg_bench.conversations.conversation import Conversation, ask

DATABASES = {"ptbxl": "ptb_xl", "mimic-iv-ecg": "mimic_iv_ecg"}
SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def read(root: Path) -> Iterator[Conversation]:
    """Every question of the folder.

    Raises:
        ValueError: no question file under `root`, or a file that is not ECG-QA's.
    """
    files = sorted(file for file in root.rglob("*.json") if _place(file) is not None)
    if not files:
        raise ValueError(f"no ECG-QA question file under {root}: expected DATABASE/template/train/*.json and so on")
    for file in files:
        database, form, split = _place(file)
        try:
            rows = json.loads(file.read_text(encoding="utf-8"))
            for row in rows:
                yield _conversation(row, database=database, form=form, split=split)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is not a question file of ECG-QA: {error!r}") from None


def _place(file: Path) -> tuple[str, str, str] | None:
    """(database, form, split) by the folders that a file lies in; None for other JSON files."""
    parts = file.resolve().parts[-4:-1]
    if len(parts) < 3 or parts[0] not in DATABASES or parts[2] not in SPLITS:
        return None
    return DATABASES[parts[0]], parts[1], SPLITS[parts[2]]


def _conversation(row: dict, *, database: str, form: str, split: str) -> Conversation:
    return ask(
        f"ecg_qa-{database}-{form}-{row['sample_id']}",
        tuple(str(ecg_id) for ecg_id in row["ecg_id"]),
        row["question"],
        row["answer"],
        question_type=row["question_type"],
        template=f"ecg_qa-{row['template_id']}",
        attribute_type=row["attribute_type"],
        attribute=row["attribute"],
        database=database,
        form=form,
        split=split,
    )
