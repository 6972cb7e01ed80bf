"""`querist init`: a commented querist.toml that says only what a user must decide."""

from __future__ import annotations

from pathlib import Path

from querist.config import FILE_NAME
from querist.core.errors import SettingError

DATA = {
    "text": 'text = ["text"]            # text columns, joined by a line break\n'
    '# label = "label"          # column with known labels, empty where unknown',
    "image": '# image = "path"         # for a table that names image files; a folder or zip needs no column\n'
    'label = "label"            # of a folder: the name of the subfolder',
    "tabular": 'numeric = ["amount"]       # numeric columns\ncategorical = ["city"]     # categorical columns\n'
    '# label = "label"          # column with known labels, empty where unknown',
}

TEMPLATE = """\
# Every setting with its meaning: docs/reference/settings.md, or `querist config schema`.

[project]
name = "{name}"
seed = 0                   # the same seed and data give the same queries

[objective]
metric = "macro_f1"        # the metric that counts
# goal = 0.85              # stop when its lower confidence bound reaches this
# budget_labels = 2000     # stop when this many labels have been asked
# cost_per_label = 0.05
why = ""                   # one sentence: why active learning matters here

[data]
kind = "{kind}"
# id = "id"                # column with a unique id; without it the content names the item
{data}
# classes = ["negative", "positive"]
# context = ["product"]    # columns that annotators see and the model does not

[query]
strategy = "auto"          # uncertain, diverse, a few at random; `querist strategies` lists others
batch_size = 100
"""


def create(folder: Path, kind: str) -> Path:
    """Writes querist.toml and .gitignore. Raises SettingError rather than overwrite a project."""
    path = folder / FILE_NAME
    if path.exists():
        raise SettingError(f"{path} exists already; edit it, or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE.format(name=folder.resolve().name, kind=kind, data=DATA[kind]), encoding="utf-8")
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text(".querist/\nsnapshots/objects/\nquarantine/\n", encoding="utf-8")
    return path
