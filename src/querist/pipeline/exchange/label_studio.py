"""Label Studio both ways: what waits for an answer goes there, what people say there comes back."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from querist.asking import CONTROL
from querist.core.errors import NoSuchRound
from querist.core.hashing import key_of
from querist.pipeline.exchange.label_studio_answers import answered, known_again, send
from querist.pipeline.exchange.label_studio_api import LabelStudio
from querist.stages.human_labeling.label_studio import (
    Control,
    Refused,
    changes,
    data_of,
    find_control,
    label_config,
    model_tag,
    place_of,
    prediction_of,
    served_score,
)
from querist.store.annotations import Annotation, add_annotations, annotations_of
from querist.store.cursors import get_cursor, set_cursor
from querist.store.queue import line_up, open_items
from querist.store.rounds import Query, count_queries, get_queries, newest_round
from querist.store.sent import Sent, add_sent, list_sent

if TYPE_CHECKING:
    from querist.pipeline.project import Project

TASKS_AT_ONCE = 200
BYTES_AT_ONCE = 20 << 20
SAMPLING = "Uncertainty sampling"
IMAGE_TYPES = {b"\x89PNG": "png", b"\xff\xd8": "jpeg", b"GIF8": "gif", b"BM": "bmp", b"RIFF": "webp"}


@dataclass(frozen=True)
class Pushed:
    """`project` is its number; `tasks` are new ones, `scores` new ones of tasks it had, `known` what needed nothing;
    `answers` given here are annotations there now, `withdrawn` are annotations whose answer stands here no longer."""

    project: int
    created: bool
    model_version: str
    tasks: int = 0
    scores: int = 0
    known: int = 0
    answers: int = 0
    withdrawn: int = 0


@dataclass
class Pulled:
    """`foreign` are tasks that querist did not make, `refused` annotations that cannot be labels."""

    project: int
    answers: int = 0
    corrected: int = 0
    undone: int = 0
    foreign: int = 0
    refused: list[Refused] = field(default_factory=list)


def push(project: Project) -> Pushed:
    """Sends the items that wait for an answer, with what the model thinks, most informative first, and what people
    answered here to items that are there.

    What is there already is looked up there, so that a repetition adds nothing, whenever the last one was cut short.
    Raises NoSuchRound before the first round, SettingError where the labels there are not those of the project.
    """
    labeling = project.settings.labeling
    with project._lock("label-studio.lock"), LabelStudio(project.settings.label_studio) as there:
        with project.ledger.read() as tx:
            if newest_round(tx) is None:
                raise NoSuchRound("there is no round to push yet; run `querist run` first")
            asked = _open_queries(get_queries(tx, open_items(tx)))
            sizes = {number: count_queries(tx, number) for number in {query.round for query in asked}}
        found = _find(project, there)
        place = found or there.create_project(_new_project(project))
        sets = project.settings.data.sets
        control = find_control(place["label_config"], project.classes(), several=sets is not None)
        number = int(place["id"])
        known = _tasks_by_item(there, number)
        if not asked:
            answers = send(project, there, number, control, known)
            return Pushed(number, found is None, place["model_version"] or "", 0, 0, 0, *answers)
        tag, newest = model_tag(asked), max(sizes)

        def prediction(query: Query) -> dict[str, Any]:
            score = served_score(query, newest=newest, n_asked=sizes[query.round])
            made = prediction_of(query.payload.get("prediction"), control, version=tag, score=score, sets=sets)
            return made if query.strategy != CONTROL else without_suggestion(made)

        new = [query for query in asked if query.item not in known]
        tasks = ({"data": _data(query, project), "predictions": [prediction(query)]} for query in new)
        for part in _parts(tasks):
            there.import_tasks(number, part)
        old = [query for query in asked if query.item in known and tag not in known[query.item]["versions"]]
        for part in _parts({"task": known[query.item]["id"], **prediction(query)} for query in old):
            there.import_predictions(number, part)
        several = any(query.wanted != place["maximum_annotations"] for query in asked)
        if new and (several or answered(project, new)):
            known = _tasks_by_item(there, number)
        if several:
            for query in asked:
                if query.item in known and known[query.item]["overlap"] != query.wanted:
                    there.change_task(known[query.item]["id"], {"overlap": query.wanted})
        # Two changes, since one that hides predictions forgets the model version.
        there.change_project(number, {"show_collab_predictions": labeling.show_prediction == "before"})
        there.change_project(number, {"model_version": tag, "sampling": SAMPLING})
        answers = send(project, there, number, control, known)
    return Pushed(number, found is None, tag, len(new), len(old), len(asked) - len(new) - len(old), *answers)


def pull(project: Project, *, everything: bool = False) -> Pulled:
    """Fetches what changed there since the last pull, or `everything`: answers, skips, corrections and deletions.

    Changes are found by asking for them, since Label Studio tries each webhook once. A label that is none of the
    project's is refused, the others are stored. A deleted annotation becomes an undo; of a deleted task nothing is.
    """
    classes, sets = project.classes(), project.settings.data.sets
    with LabelStudio(project.settings.label_studio) as there:
        place = _find(project, there)
        if place is None:
            raise NoSuchRound("Label Studio has no project of this one yet; run `querist label-studio push` first")
        control = find_control(place["label_config"], classes, several=sets is not None)
        number = int(place["id"])
        source = key_of(SAMPLING, project.settings.label_studio.url, number, place["created_at"], list(classes))
        with project.ledger.read() as tx:
            since = None if everything else get_cursor(tx, source)
            sent = list_sent(tx)  # before the tasks: what was sent by now and is not among them was deleted there
        now, names = there.time(), there.names()
        found = Pulled(number)
        shown = "before" if place["show_collab_predictions"] else "never"
        for tasks in there.tasks(number, since=since):
            lost = known_again(project, there, number, tasks, sent)
            how = {"classes": classes, "names": names, "shown": shown, "sets": sets}
            _take(project, tasks, found, control, sent=sent, lost=lost, **how)
        with project.ledger.begin() as tx:
            set_cursor(tx, source, now)
    return found


def control_items(project: Project, items: Collection[str]) -> set[str]:
    """Which of the items were drawn to check the model: as on the labeling page, nobody sees what it thinks of them."""
    with project.ledger.read() as tx:
        return {item for item, query in get_queries(tx, items).items() if query.strategy == CONTROL}


def without_suggestion(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """The prediction as far as it decides the order: its score."""
    return {**prediction, "result": []}


def sync(project: Project) -> tuple[Pulled | None, Pushed]:
    """What came and what went: pulls first, so that nothing is sent that was answered meanwhile."""
    with LabelStudio(project.settings.label_studio) as there:
        known = _find(project, there) is not None
    pulled = pull(project) if known else None
    return pulled, push(project)


def _take(
    project: Project,
    tasks: Iterable[Mapping[str, Any]],
    found: Pulled,
    control: Control,
    *,
    sent: Sent,
    lost: Sent,
    **how: Any,
) -> None:
    """Stores what a page of tasks says, and of what was `sent` there the `lost` records; one transaction."""
    ours = [(task["data"]["querist_id"], task) for task in tasks if isinstance(task["data"].get("querist_id"), str)]
    items = {item for item, _ in ours}
    with project.ledger.begin() as tx:
        line_up(tx, items)
        asked = get_queries(tx, items)
        said: dict[str, list[Annotation]] = {item: [] for item in items}
        taken: list[Annotation] = []
        for row in annotations_of(tx, items):
            said[row.item].append(row)
        for item, task in ours:
            if item not in asked:
                why = "no such item was asked"
                found.refused += [Refused(task["id"], given["id"], item, why) for given in task["annotations"]]
                continue
            place = place_of(task)
            add_sent(tx, place, lost.get(place, {}), now=project.clock())
            ours_there = {**sent.get(place, {}), **lost.get(place, {})}
            new, refused = changes(task, asked[item], said[item], control, sent=ours_there, **how)
            said[item] += new
            taken += new
            found.refused += refused
            found.undone += sum(row.kind == "undo" for row in new)
            found.corrected += sum(row.kind == "answer" and row.supersedes is not None for row in new)
            found.answers += sum(row.kind == "answer" and row.supersedes is None for row in new)
        add_annotations(tx, taken, now=project.clock())
    found.foreign += sum(not isinstance(task["data"].get("querist_id"), str) for task in tasks)


def _find(project: Project, there: LabelStudio) -> dict[str, Any] | None:
    """The project of the settings, or the one that an earlier push made."""
    number = project.settings.label_studio.project
    return there.project(number) if number is not None else there.find_project(_mark(project))


def _mark(project: Project) -> str:
    """What tells the project that querist made in Label Studio from all others."""
    return f"Made by querist ({project.snapshot.root_id[:16]}); keep this line, by which it is found again."


def _new_project(project: Project) -> dict[str, Any]:
    labeling, snapshot = project.settings.labeling, project.snapshot
    return {
        "title": project.settings.project.name[:50].ljust(3, "."),
        "description": _mark(project),
        "label_config": label_config(
            snapshot.kind,
            project.classes(),
            context=bool(snapshot.context_columns()),
            several=project.settings.data.sets is not None,
        ),
        "sampling": SAMPLING,
        "maximum_annotations": labeling.overlap,
    }


def _open_queries(found: Mapping[str, Query]) -> list[Query]:
    return sorted(found.values(), key=lambda query: (query.round, query.rank))


def _tasks_by_item(there: LabelStudio, number: int) -> dict[str, dict[str, Any]]:
    """Our tasks there. Of two for one item, left by a push that was cut short, the one without an answer is deleted."""
    kept: dict[str, dict[str, Any]] = {}
    for task in (task for page in there.tasks(number) for task in page):
        item = task["data"].get("querist_id")
        if not isinstance(item, str):
            continue
        small = {
            "id": task["id"],
            "created_at": task["created_at"],
            "annotations": task["annotations"],
            "overlap": task["overlap"],
            "touched": bool(task["annotations"] or task["drafts"]),
            "versions": {made["model_version"] for made in task["predictions"]},
        }
        first, second = sorted([kept.get(item, small), small], key=lambda one: (not one["touched"], one["id"]))
        if first is not second and not second["touched"]:
            there.delete_task(second["id"])
        kept[item] = first
    return kept


def _data(query: Query, project: Project) -> dict[str, Any]:
    """Images travel inside the task, because Label Studio could not sign in to fetch them."""
    image = query.payload.get("image")
    if image is None:
        return data_of(query, project.snapshot.kind, None, project.settings.data.sets)
    content = project.artifacts.get(image)
    kind = next((name for start, name in IMAGE_TYPES.items() if content.startswith(start)), "png")
    inside = f"data:image/{kind};base64,{b64encode(content).decode()}"
    return data_of(query, project.snapshot.kind, inside, project.settings.data.sets)


def _parts(made: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """In portions that one request can carry."""
    part: list[dict[str, Any]] = []
    size = 0
    for one in made:
        part.append(one)
        size += sum(len(value) for value in one.get("data", {}).values() if isinstance(value, str))
        if len(part) == TASKS_AT_ONCE or size > BYTES_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part
