"""Answers as a file to download."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from querist.core.errors import DataError
from querist.http.problems import Problem
from querist.pipeline.exchange.exports import export_answers
from querist.pipeline.project import Project

ENDINGS = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet", "datasets": "", "label-studio": ".json"}


def download(project: Project, format: str) -> FileResponse:
    """All answers that stand; a zip where they are several files. What was written for it goes once it is sent."""
    with ExitStack() as stack:
        folder = Path(mkdtemp(prefix="querist-export-"))
        stack.callback(shutil.rmtree, folder)
        file = folder / "answers" / f"answers{ENDINGS[format]}"
        file.parent.mkdir()
        try:
            export_answers(project, file, round=None, format=format, everything=True)
        except DataError as error:  # there is no answer yet
            raise Problem(404, str(error)) from None
        if file.is_dir() or len(list(file.parent.iterdir())) > 1:  # a data set, or images beside the file
            file = Path(shutil.make_archive(str(folder / "answers"), "zip", file.parent))
        return FileResponse(file, filename=file.name, background=BackgroundTask(stack.pop_all().close))
