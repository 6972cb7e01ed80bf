"""Workflow files, by the tool that runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from querist.core.errors import DataError
from querist.orchestration.airflow import airflow_file
from querist.orchestration.cron import cron_file
from querist.orchestration.github_actions import github_file
from querist.orchestration.plan import Plan
from querist.orchestration.prefect import prefect_file

TOOLS: dict[str, Callable[[Plan], str]] = {
    "airflow": airflow_file,
    "prefect": prefect_file,
    "cron": cron_file,
    "github-actions": github_file,
}


def write_workflow(tool: str, plan: Plan, out: Path, *, force: bool = False) -> Path:
    """Writes the file. Raises DataError where one with other content is there already, unless `force`."""
    text = TOOLS[tool](plan)
    if out.exists() and not force and out.read_text(encoding="utf-8") != text:
        raise DataError(f"{out} is there already and says something else; give another --out, or --force to replace it")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out
