"""The ledger's tables. To those of APPEND_ONLY and LOGS rows are only ever added: the database itself refuses to
change or delete them. The others hold what is true at the moment, such as who is answering what.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)
from sqlalchemy.schema import DDL

SCHEMA_VERSION = 1
metadata = MetaData()


def _ddl(statement: str) -> DDL:
    return DDL(statement)  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy


def _table(name: str, *columns: Any) -> Table:  # Any: columns and constraints
    return Table(name, metadata, *columns)


schema = _table("schema_version", Column("version", Integer, primary_key=True))

snapshots = _table(
    "snapshots",
    Column("seq", Integer, primary_key=True),
    Column("id", String(64), nullable=False),
    Column("report", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

rounds = _table(
    "rounds",
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("snapshot", String(64), nullable=False),
    Column("strategy", Text, nullable=False),
    Column("model_version", String(64)),
    Column("thresholds", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("settings", String(64), nullable=False),
    Column("code_version", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)

queries = _table(
    "queries",
    Column("round", Integer, ForeignKey("rounds.round"), primary_key=True, autoincrement=False),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("item", Text, nullable=False, unique=True),
    Column("position", Integer, nullable=False),
    Column("split", String(10), CheckConstraint("split = 'pool'", name="only_the_pool_is_asked"), nullable=False),
    Column("score", Float),
    Column("parts", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("model_version", String(64)),
    Column("payload", Text, nullable=False),
    Column("wanted", Integer, nullable=False, server_default="1"),
    Column("at", String(32), nullable=False),
)

annotations = _table(
    "annotations",
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("item", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column(
        "split",
        String(10),
        CheckConstraint("split in ('pool', 'validation', 'test')", name="known_split"),
        nullable=False,
    ),
    Column("kind", String(10), CheckConstraint("kind in ('answer', 'undo')", name="known_kind"), nullable=False),
    Column("label", Text),
    Column("annotator", Text, nullable=False),
    Column("supersedes", Text),
    Column("seconds", Float),
    Column("note", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Index("annotations_by_item", "item"),
    Index("annotations_by_superseded", "supersedes"),
    Index("annotations_by_annotator", "annotator", "at"),
)

models = _table(
    "models",
    Column("seq", Integer, primary_key=True),
    Column("version", String(64), nullable=False, unique=True),
    Column("round", Integer, ForeignKey("rounds.round"), nullable=False),
    Column("artifact", String(64), nullable=False),
    Column("parent", String(64)),
    Column("learner", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("n_labels", Integer, nullable=False),
    Column("validation_loss", Float),
    Column("at", String(32), nullable=False),
)

metrics = _table(
    "metrics",
    Column("round", Integer, ForeignKey("rounds.round"), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("model_version", String(64), nullable=False),
    Column("value", Float, nullable=False),
    Column("low", Float),
    Column("high", Float),
    Column("n_items", Integer, nullable=False),
    Column("n_labels", Integer, nullable=False),
    Column("at", String(32), nullable=False),
)

steps = _table(
    "steps",
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("name", String(50), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("inputs", String(64), nullable=False),
    Column("result", Text, nullable=False),
    Column("started_at", String(32), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("seconds_by_part", Text, nullable=False),
    Column("code_version", String(64), nullable=False),
)

queue = _table(
    "queue",
    Column("item", Text, primary_key=True),
    Column("round", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Index("queue_in_order", "round", "rank"),
)

leases = _table(
    "leases",
    Column("item", Text, primary_key=True),
    Column("annotator", Text, primary_key=True),
    Column("tab", Text, nullable=False),
    Column("given_at", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Index("leases_by_annotator", "annotator", "expires_at"),
    Index("leases_by_end", "expires_at"),
)

users = _table(
    "users",
    Column("name", Text, primary_key=True),
    Column(
        "role", String(10), CheckConstraint("role in ('annotator', 'lead', 'admin')", name="known_role"), nullable=False
    ),
    Column("password", Text),
    Column("disabled", Boolean, nullable=False),
    Column("at", String(32), nullable=False),
)

credentials = _table(
    "credentials",
    Column("secret", String(64), primary_key=True),
    Column(
        "kind",
        String(10),
        CheckConstraint("kind in ('session', 'token', 'invitation', 'link')", name="known_credential"),
        nullable=False,
    ),
    Column("name", Text, nullable=False),
    Column("role", String(10)),
    Column("scopes", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("expires_at", String(32)),
    Column("used_at", String(32)),
    Index("credentials_by_name", "name", "kind"),
)

identities = _table(
    "identities",
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at", String(32), nullable=False),
    UniqueConstraint("issuer", "name", name="one_subject_has_an_account"),
)

audit = _table(
    "audit",
    Column("seq", Integer, primary_key=True),
    Column("at", String(32), nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

analyses = _table(
    "analyses",
    Column("seq", Integer, primary_key=True),
    Column("kind", String(30), nullable=False),
    Column("round", Integer),
    Column("result", Text, nullable=False),
    Column("code_version", String(64), nullable=False),
    Column("at", String(32), nullable=False),
    Index("analyses_by_kind", "kind", "round"),
)

webhook_positions = _table(
    "webhook_positions",
    Column("url", Text, primary_key=True),
    Column("annotation", Integer, nullable=False),
    Column("opened", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("evaluated", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),
)

webhook_deliveries = _table(
    "webhook_deliveries",
    Column("seq", Integer, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column(
        "state",
        String(10),
        CheckConstraint("state in ('waiting', 'delivered', 'given up')", name="known_delivery"),
        nullable=False,
    ),
    Column("attempts", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("next_at", String(32), nullable=False),
    Column("tried_at", String(32)),
    Index("webhook_deliveries_due", "state", "url", "next_at"),
)

webhook_received = _table(
    "webhook_received",
    Column("id", Text, primary_key=True),
    Column("at", String(32), nullable=False),
)

cursors = _table(
    "cursors",
    Column("source", String(64), primary_key=True),
    Column("at", String(40), nullable=False),
)

sent_answers = _table(
    "sent_answers",
    Column("place", Text, primary_key=True),
    Column("answer", Text, primary_key=True),
    Column("root", Text, nullable=False),
    Column("at", String(32), nullable=False),
)

keys = _table(
    "keys",
    Column("purpose", String(20), primary_key=True),
    Column("key", Text, nullable=False),
)

requests = _table(
    "requests",
    Column("caller", String(64), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request", String(64), nullable=False),
    Column("status", Integer),
    Column("answer", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Index("requests_by_age", "at"),
)

APPEND_ONLY = (snapshots, rounds, queries, annotations, models, metrics, steps)
LOGS = (audit, analyses)
"""Append-only, too, but no part of what the loop decided: the digest leaves them out."""

_SQLITE = """CREATE TRIGGER IF NOT EXISTS {t}_no_{v} BEFORE {v} ON {t}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {t}'); END"""
_FUNCTION = """CREATE OR REPLACE FUNCTION querist_append_only() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only: %%', TG_TABLE_NAME; END $$ LANGUAGE plpgsql"""
_POSTGRES = """CREATE OR REPLACE TRIGGER {t}_append_only BEFORE UPDATE OR DELETE ON {t}
FOR EACH ROW EXECUTE FUNCTION querist_append_only()"""

_TRUNCATE = """CREATE OR REPLACE TRIGGER {t}_no_truncate BEFORE TRUNCATE ON {t}
FOR EACH STATEMENT EXECUTE FUNCTION querist_append_only()"""

event.listen(metadata, "before_create", _ddl(_FUNCTION).execute_if(dialect="postgresql"))
for _t in (*APPEND_ONLY, *LOGS):
    for _verb in ("UPDATE", "DELETE"):
        event.listen(_t, "after_create", _ddl(_SQLITE.format(t=_t.name, v=_verb)).execute_if(dialect="sqlite"))
    event.listen(_t, "after_create", _ddl(_POSTGRES.format(t=_t.name)).execute_if(dialect="postgresql"))
    event.listen(_t, "after_create", _ddl(_TRUNCATE.format(t=_t.name)).execute_if(dialect="postgresql"))
