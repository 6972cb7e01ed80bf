"""What a workflow file is written for: one project, in one shape, with a schedule."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from querist import __version__
from querist.core.errors import SettingError

if TYPE_CHECKING:
    from querist.pipeline.project import Project

Shape = Literal["event", "wait"]
AFTER = "after"
_FIELD = r"[0-9A-Za-z*/,#?-]+"
_SCHEDULE = re.compile(rf"@(hourly|daily|weekly|monthly)|{_FIELD}( {_FIELD}){{4}}")
PRESETS = {"@hourly": "0 * * * *", "@daily": "0 6 * * *", "@weekly": "0 6 * * 1", "@monthly": "0 6 1 * *"}


@dataclass(frozen=True)
class Plan:
    """`slug` names the project in ids, `command` starts querist, `schedule` is when to ask: five fields of cron, or
    "after" each training. `approve` lets a person agree before a model is deployed, `monitor` looks for drift."""

    slug: str
    folder: str
    command: str
    shape: Shape
    schedule: str
    approve: bool
    monitor: bool
    version: str = __version__

    @property
    def after(self) -> bool:
        return self.schedule == AFTER


def plan_of(
    project: Project, *, shape: Shape, schedule: str = "@daily", approve: bool = False, command: str | None = None
) -> Plan:
    """The plan of a project's own settings. Raises SettingError for a schedule that is none."""
    if schedule != AFTER and not _SCHEDULE.fullmatch(schedule):
        known = ", ".join([*PRESETS, AFTER])
        raise SettingError(f"{schedule!r} is no schedule; give five fields of cron, such as '0 6 * * 1-5', or {known}")
    if schedule == AFTER and shape == "wait":
        raise SettingError('the schedule "after" is for the shape event; a workflow that waits needs times to start at')
    return Plan(
        slug=slug_of(project.settings.project.name),
        folder=str(project.folder),
        command=command or f"{shlex.quote(sys.executable)} -m querist",
        shape=shape,
        schedule=PRESETS.get(schedule, schedule),
        approve=approve or project.settings.deploy.approve == "always",
        monitor=bool(project.settings.monitoring.log),
    )


def slug_of(name: str) -> str:
    """The project's name as part of an id: lower case, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "project"


def asset_of(slug: str) -> tuple[str, str]:
    """Name and address of the Airflow asset that says that a round is complete."""
    return f"querist_{slug}_complete", f"x-querist://{slug}/complete"


def quoted(text: str) -> str:
    """As it stands in Python and YAML."""
    # JSON writes what is beyond its 16 bits as two characters, which Python and YAML would take for two.
    return '"' + "".join(json.dumps(c)[1:-1] if c < "\U00010000" else f"\\U{ord(c):08x}" for c in text) + '"'


def words(command: Sequence[str]) -> str:
    """A command as arguments of a call."""
    return ", ".join(map(quoted, command))
