"""A project: a folder with `querist.toml`. Its methods are the verbs that the CLI and every orchestrator call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from querist.config import FILE_NAME, Settings, load
from querist.core.errors import Busy, DataError, SettingError
from querist.core.hashing import key_of
from querist.pipeline.conditions import deciding
from querist.store.artifacts import Artifacts
from querist.store.ledger import Ledger, digest

if TYPE_CHECKING:
    from querist.pipeline.runner import Until

Progress = Callable[[str, int, int | None], None]
OnStep = Callable[[int, str, str], None]


@dataclass(frozen=True)
class Outcome:
    """Where a run ended. `status`: waiting (for labels), stopped (goal, budget, ...), done (what was asked for), or
    running (in the background)."""

    status: Literal["waiting", "stopped", "done", "running"]
    round: int
    reason: str
    missing: int = 0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Project:
    """Opens the project in `folder`. Raises DataError without a querist.toml, SettingError for a bad setting."""

    def __init__(self, folder: str | Path = ".", *, clock: Callable[[], datetime] = utc_now) -> None:
        self.folder = Path(folder).resolve()
        self.settings: Settings = load(self.folder / FILE_NAME)
        self.clock = clock

    # -- what the verbs stand on

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.storage.ledger, base=self.folder)

    @cached_property
    def artifacts(self) -> Artifacts:
        return Artifacts(self.settings.storage.artifacts, base=self.folder)

    @cached_property
    def snapshot(self) -> Any:  # Any: snapshots.Snapshot, imported late because of pyarrow
        """The snapshot that the next round asks from. Raises DataError before the first ingest."""
        from querist.snapshots.snapshot import Snapshot
        from querist.store.models import current_snapshot

        with self.ledger.read() as tx:
            current = current_snapshot(tx)
        if current is None:
            raise DataError(f"project {self.folder} holds no data yet; run `querist ingest FILE` first")
        return Snapshot.open(self.snapshots_url, current)

    @property
    def snapshots_url(self) -> str:
        url = self.settings.storage.snapshots
        return url if "://" in url else str(self.folder / url)

    @property
    def settings_key(self) -> str:
        """Hash of every setting that can change a result: all but the storage and whom else to tell."""
        return key_of(deciding(self.settings))

    def digest(self) -> str:
        """Hash of all that the loop decided so far, without times: equal for equal runs."""
        with self.ledger.read() as tx:
            return digest(tx)

    # -- verbs

    @classmethod
    def init(cls, folder: str | Path, kind: str = "text") -> Project:
        """Creates a project for items of a kind (text, image, tabular). Raises SettingError where one exists."""
        from querist.pipeline.template import create

        create(Path(folder), kind)
        return cls(folder)

    @classmethod
    def demo(cls, folder: str | Path = "querist-demo", *, images: bool = False) -> dict[str, Any]:
        """Runs the whole loop on real data with a simulated annotator, or goes on with it, and compares it with random
        sampling: an Outcome's fields, "comparison" and the path of the "summary".
        """
        from querist.pipeline.demo import run

        return run(Path(folder), images=images)

    def doctor(self) -> list[Any]:
        """Checks of the installation and of this project: a name, a state (fine, optional, wrong) and a detail each."""
        from querist.pipeline.doctor import examine

        return list(examine(self.folder))

    def ingest(self, source: str | Path | Iterable[Any] | None = None, *, progress: Progress | None = None) -> Any:
        """Reads raw data, a file or rows, into a snapshot (a child of the current one) and returns the IngestReport."""
        source = self.settings.data.source if source is None else source
        if source == "":
            raise SettingError("nothing to ingest: name a file, or set data.source in querist.toml")
        return self._ingest(self.folder / source if isinstance(source, str | Path) else source, progress)

    def ingest_arrays(self, X: Any, y: Any = None, *, progress: Progress | None = None, **columns: Any) -> Any:
        """The same from memory: `X` is a matrix (columns X_0, X_1, ...), a DataFrame, uint8 images or a list of texts
        (column text), `y` the column label; `columns` are others, such as id, split or what people see besides.
        """
        from querist.stages.raw_data.arrays import rows_of

        return self._ingest(rows_of(X, y, **columns), progress)

    def _ingest(self, source: Any, progress: Progress | None) -> Any:  # Any: a path or rows
        from querist.pipeline.exchange.intake import open_rows
        from querist.pipeline.ingest import ingest
        from querist.store.models import add_snapshot, current_snapshot

        opened = open_rows(source, self.settings)  # first, so that a mistake leaves not even an empty ledger
        with self._lock():
            with self.ledger.read() as tx:
                parent = current_snapshot(tx)
            report = ingest(
                opened,
                self.settings,
                base=self.folder,
                parent=parent,
                quarantine=self.folder / "quarantine",
                now=self.clock(),
                progress=progress,
            )
            if report.snapshot != parent:
                with self.ledger.begin() as tx:
                    add_snapshot(tx, report.snapshot, asdict(report), now=self.clock())
            self.__dict__.pop("snapshot", None)
        return report

    def run(
        self,
        *,
        rounds: int | None = None,
        until: Until | None = None,
        oracle: str | None = None,
        on_step: OnStep | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Runs the loop until it needs labels, a goal or budget is reached, or `rounds` rounds after the seed are done.

        `until` ends it earlier, when round number `rounds` (default: the first that is not evaluated) is asked,
        retrained or evaluated; a round that has come so far already is left as it is.

        `oracle` names a column that answers in place of people. Without it the run ends in status "waiting" and goes
        on when labels have been imported. With neither `rounds` nor a goal or budget, a simulation does one more round.
        With any of them, killed at any moment and started again, it ends with the same record as an undisturbed run.
        """
        from querist.pipeline.loop import run

        return run(self, rounds=rounds, until=until, oracle=oracle, on_step=on_step, progress=progress)

    def import_labels(self, file: str | Path, *, annotator: str = "import", holdout: bool = False) -> dict[str, int]:
        """Reads id and label (and annotator, seconds, note, at) from a file that `export_labels` can write, or from
        Label Studio's JSON; all of it or nothing.

        An empty label is no answer yet, unless the column `skip` says that the item was skipped.
        Raises HoldoutError for an item outside the pool unless `holdout`, which takes only those: test items for
        evaluation alone, validation items for calibration and search. A label of a duplicate goes to the item of its
        group that is in use.
        """
        from querist.pipeline.exchange.labels import import_labels

        return import_labels(self, Path(file), annotator=annotator, holdout=holdout)

    def export_labels(
        self,
        file: str | Path,
        *,
        round: int | None = None,
        holdout: int | None = None,
        split: str | None = None,
        format: str | None = None,
        answers: bool = False,
    ) -> int:
        """Writes queries with their labels so far as CSV or JSONL and returns how many; default: the newest round.

        `holdout` writes instead that many randomly drawn items that still need a label, of the `split` test (the
        default, for evaluation) or validation (for calibration and search). `answers` writes instead all answers that
        stand, one row each, with the resolved label; `format` (default: by name) may then also be parquet, datasets
        (a folder) or label-studio.
        """
        from querist.pipeline.exchange.labels import export_labels

        return export_labels(
            self, Path(file), round=round, holdout=holdout, split=split, format=format, answers=answers
        )

    def status(self) -> dict[str, Any]:
        """Where the project stands: data, rounds, quality, spending, and what it waits for."""
        from querist.pipeline.record import status

        return status(self)

    def show_round(self, number: int) -> dict[str, Any]:
        """Everything the record holds about one round. Raises LedgerError for a round that is not there."""
        from querist.pipeline.reporting.round_record import show_round

        return show_round(self, number)

    def simulate(self, **options: Any) -> dict[str, Any]:
        """Compares strategies on this project's snapshot and settings; options as in `querist.simulate`."""
        from querist.pipeline.simulate import simulate_project

        return simulate_project(self, **options)

    def baseline(
        self, *, repeats: int = 10, jobs: int | None = None, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Replays random sampling on the labels collected so far and records its curve; DataError for too few."""
        from querist.pipeline.evaluation.baseline import baseline

        return baseline(self, repeats=repeats, jobs=jobs, progress=progress)

    def quality(self, round: int | None = None) -> dict[str, Any] | None:
        """The model of an evaluated round (default: the newest) on the holdout in detail, by class and by slice.

        None where there is no such evaluation.
        """
        from querist.pipeline.evaluation.quality import quality

        return quality(self, round)

    def savings(self) -> dict[str, Any]:
        """What active learning saves against random sampling, a forecast, stopping advice, the control arm's figure."""
        from querist.pipeline.evaluation.savings import savings

        return savings(self)

    def snapshots(self) -> list[dict[str, Any]]:
        """What each ingest that added items has read and found (an IngestReport's fields, and when), oldest first."""
        from querist.store.models import list_snapshot_reports

        with self.ledger.read() as tx:
            return list_snapshot_reports(tx)

    def verify_snapshot(self, id: str | None = None) -> list[str]:
        """Problems found in the stored bytes of a snapshot; empty when every byte is as it was written."""
        from querist.snapshots.snapshot import Snapshot

        found: list[str] = (Snapshot.open(self.snapshots_url, id) if id else self.snapshot).verify()
        return found

    def write_summary(self, comparison: Mapping[str, Any] | None = None) -> Path:
        """Writes reports/summary.md (and its chart, with the extra `charts`) from the record."""
        from querist.pipeline.record import write_summary

        return write_summary(self, comparison)

    def track(
        self, system: Literal["tensorboard", "mlflow"], where: str | Path, *, with_text: bool = False
    ) -> list[int]:
        """Writes the rounds to TensorBoard (a folder) or MLflow (an address) and returns those that were not there.

        Texts of items only where `with_text`.
        """
        from querist.pipeline.reporting.tracking import track

        return track(self, system, str(where), with_text=with_text)

    # -- inside

    def next_round(self) -> int:
        """The first round that is not evaluated yet."""
        from querist.store.steps import last_round

        with self.ledger.read() as tx:
            finished = last_round(tx, "evaluation")
        return 0 if finished is None else finished + 1

    def stop(self) -> Any:
        """Why the loop should end by today's settings (a Stop with its reason), or None."""
        from querist.pipeline.loop import stop

        return stop(self)

    def classes(self, oracle: str | None = None) -> tuple[str, ...]:
        """Class names in the order of their codes; new ones come last. Raises SettingError when nothing tells them."""
        from querist.store.models import list_models

        classes: tuple[str, ...] = tuple(self.settings.data.classes)
        if not classes:
            found = self.snapshot.class_names(oracle or "label", self.settings.data.sets)
            with self.ledger.read() as tx:
                models = list_models(tx)
            learned = tuple(models[-1].learner["classes"]) if models else ()
            classes = (*learned, *(name for name in found if name not in learned))
        if not classes:
            raise SettingError(
                "no classes are known: the data has no labels, so set data.classes, e.g. ['positive', 'negative']"
            )
        if (sets := self.settings.data.sets) is not None:
            sets.check(classes)
        return classes

    def features(self, progress: Progress | None = None) -> Any:
        """The learner and the features of the current snapshot, computed or taken from the cache."""
        from querist.models import features, learners

        spec = learners.resolve(self.settings.learner, self.snapshot.kind)
        spec = replace(spec, encoder_params=encoder_params(spec, self.settings, self.snapshot.kind))
        cache, seed = self.folder / self.settings.storage.features, self.settings.project.seed
        return spec, features.build(
            self.snapshot, spec.encoder, spec.encoder_params, cache=cache, seed=seed, progress=progress
        )

    def is_open(self, number: int) -> bool:
        """Whether the round has been asked already: then it is finished first, for its labels are paid."""
        from querist.store.rounds import list_rounds

        with self.ledger.read() as tx:
            return any(r.round == number for r in list_rounds(tx))

    @contextmanager
    def _lock(self, name: str = "lock") -> Iterator[None]:
        """One writer per project folder; the lock ends with the process, however it ends."""
        import fcntl

        path = self.folder / ".querist" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = path.open("w")
        except OSError as error:
            raise DataError(
                f"cannot write to {path} ({error.strerror}); the project is read-only here, so copy it to where you "
                "may write, or ask for the right to"
            ) from None
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Busy(f"another process is working on {self.folder}; wait for it, then run again") from None
            file.write(str(os.getpid()))
            yield


def encoder_params(spec: Any, settings: Settings, kind: str) -> dict[str, Any]:
    """The encoder's settings; for tables, scaling and one-hot are declared in the preprocessing steps."""
    if kind != "tabular":
        return dict(spec.encoder_params)
    from querist.stages.preprocessing.steps import resolve, tabular_settings

    return {**tabular_settings(resolve(settings.preprocessing, kind)), **spec.encoder_params}
