"""The tables, for migrations and for the reader. The other modules hold the SQL.

Every patient fact is in a `sealed` column; identifiers, control ids and hashes are keyed. Ids are integers, hashes and
key ids 16 bytes, times integers in microseconds since 1970 UTC, flags 0 or 1 (the same in both databases' drivers).
`sealed` stands last, so that SQLite reads the small columns without following overflow pages. `dirty` and `csor_row`
have no foreign key to `person`: the check costs a third of an insert, and `persons.delete` looks instead.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from adapter.store import schema_bulk, schema_fhir, schema_push

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite: only INTEGER PRIMARY KEY is the rowid

INBOX = Table(  # PostgreSQL only; on SQLite the queue is a file of its own, inbox.db
    "inbox",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("feed", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("control", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

MESSAGE = Table(
    "message",
    METADATA,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("feed", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("control", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("stampless", LargeBinary),
    Column("subject", LargeBinary),
    Column("attempts", Integer, nullable=False),
    Column("expires_us", BigInteger),
    Column("key_id", LargeBinary),
    Column("sealed", LargeBinary),
    Column("note", LargeBinary),
    Column("pack_id", BigInteger),
    Column("packed_at", Integer),
    Column("packed_size", Integer),
)
_WAITING = text("state IN ('received', 'parked')")
Index("ix_message_control", MESSAGE.c.control)
Index("ix_message_state", MESSAGE.c.state, sqlite_where=_WAITING, postgresql_where=_WAITING)
_HAS_KEY = text("key_id IS NOT NULL")
Index("ix_message_key", MESSAGE.c.key_id, sqlite_where=_HAS_KEY, postgresql_where=_HAS_KEY)
_NOT_OURS = text("state = 'not_ours'")
Index("ix_message_subject", MESSAGE.c.subject, sqlite_where=_NOT_OURS, postgresql_where=_NOT_OURS)
_ALONE = text("state = 'not_ours' AND pack_id IS NULL")
Index("ix_message_expires", MESSAGE.c.expires_us, sqlite_where=_ALONE, postgresql_where=_ALONE)

ASIDE_PACK = Table(
    "aside_pack",
    METADATA,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("last_id", BigInteger, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
Index("ix_aside_pack_key", ASIDE_PACK.c.key_id)
Index("ix_aside_pack_expires", ASIDE_PACK.c.expires_us)

ASIDE_NAME = Table(
    "aside_name",
    METADATA,
    Column("blind", LargeBinary, primary_key=True),
    Column("message_id", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)

PERSON = Table(
    "person",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("state", Text, nullable=False),
    Column("blocked", Text, nullable=False),
    Column("csor_id", LargeBinary),
    Column("published", SmallInteger, nullable=False),
    Column("hold_until_us", BigInteger),
    Column("key_id", LargeBinary),
    Column("sealed", LargeBinary),
    sqlite_autoincrement=True,
)
_HELD = text("state = 'held'")
Index("ix_person_hold", PERSON.c.hold_until_us, sqlite_where=_HELD, postgresql_where=_HELD)

IDENTIFIER = Table(
    "identifier",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("blind", LargeBinary, nullable=False),
    Column("person_id", BigInteger, ForeignKey("person.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("nhs_blind", LargeBinary),
    Column("hold_until_us", BigInteger),
    Column("key_id", LargeBinary, nullable=False),
    Column("sealed", LargeBinary),
    UniqueConstraint("blind"),
    sqlite_autoincrement=True,
)
Index("ix_identifier_person", IDENTIFIER.c.person_id)
_HAS_NHS = text("nhs_blind IS NOT NULL")
Index("ix_identifier_nhs", IDENTIFIER.c.nhs_blind, sqlite_where=_HAS_NHS, postgresql_where=_HAS_NHS)

MERGE_EVENT = Table(
    "merge_event",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("survivor_id", BigInteger, ForeignKey("identifier.id"), nullable=False),
    Column("prior_id", BigInteger, ForeignKey("identifier.id"), nullable=False),
    Column("clock_us", BigInteger, nullable=False),
    Column("live", SmallInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    UniqueConstraint("survivor_id", "prior_id", "clock_us", "live"),
    sqlite_autoincrement=True,
)
Index("ix_merge_event_prior", MERGE_EVENT.c.prior_id)

ASSERTION = Table(
    "assertion",
    METADATA,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("identifier_id", BigInteger, ForeignKey("identifier.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("clock_us", BigInteger, nullable=False),
    Column("stampless", LargeBinary, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("stampless"),
)
Index("ix_assertion_identifier", ASSERTION.c.identifier_id, ASSERTION.c.kind)

DIRTY = Table(
    "dirty",
    METADATA,
    Column("person_id", BigInteger, primary_key=True),
    Column("assertion_id", BigInteger, primary_key=True),
    Column("marked_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

CSOR_ROW = Table(
    "csor_row",
    METADATA,
    Column("record_id", LargeBinary, primary_key=True),
    Column("person_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sent_version", Integer, nullable=False),
    Column("deleted", SmallInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("first_seen_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
_UNSENT = text("version <> sent_version")
Index("ix_csor_row_person", CSOR_ROW.c.person_id, CSOR_ROW.c.kind)
Index("ix_csor_row_unsent", CSOR_ROW.c.person_id, sqlite_where=_UNSENT, postgresql_where=_UNSENT)

ACCEPTED = Table(
    "accepted",
    METADATA,
    Column("record_id", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

DELIVERY = Table(
    "delivery",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("person_id", BigInteger, ForeignKey("person.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("idempotency_key", LargeBinary, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("key_id", LargeBinary),
    Column("sealed", LargeBinary),
    UniqueConstraint("idempotency_key"),
    sqlite_autoincrement=True,
)
_OPEN = text("state <> 'accepted'")
Index("ix_delivery_open", DELIVERY.c.person_id, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("ix_delivery_due", DELIVERY.c.next_us, sqlite_where=_OPEN, postgresql_where=_OPEN)

CURSOR = Table("cursor", METADATA, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

COUNTER = Table(
    "counter", METADATA, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False)
)

ATTEMPT = Table(
    "attempt",
    METADATA,
    Column("message_id", BigId, primary_key=True, autoincrement=False),
    Column("attempts", Integer, nullable=False),
)

FOLDER_FILE = Table(
    "folder_file",
    METADATA,
    Column("feed", Text, primary_key=True),
    Column("blind", LargeBinary, primary_key=True),
)

SOUGHT = Table(
    "sought",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("source", Text, nullable=False),
    Column("blind", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("named_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("key_id", LargeBinary),
    Column("sealed", LargeBinary),
    UniqueConstraint("source", "blind"),
    sqlite_autoincrement=True,
)

HISTORY_FILE = Table(
    "history_file",
    METADATA,
    Column("blind", LargeBinary, primary_key=True),
    Column("done_bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

POLLED_SOURCE = Table(
    "polled_source",
    METADATA,
    Column("source", Text, primary_key=True),
    Column("day", Text, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("next_us", BigInteger),
    Column("not_before_us", BigInteger),
    Column("trouble", Text, nullable=False),
)

POLLED_SEARCH = Table(
    "polled_search",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("source", Text, nullable=False),
    Column("search", Text, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("cursor_us", BigInteger),
    Column("complete_us", BigInteger),
    Column("trouble", Text, nullable=False),
    Column("key_id", LargeBinary),
    Column("sealed", LargeBinary),
    Column("told_key_id", LargeBinary),
    Column("told", LargeBinary),
    UniqueConstraint("source", "search"),
)

POLLED_RESOURCE = Table(
    "polled_resource",
    METADATA,
    Column("search_id", BigInteger, primary_key=True, autoincrement=False),
    Column("blind", LargeBinary, primary_key=True),
    Column("updated_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

CRAWL_PATIENT = Table(
    "crawl_patient",
    METADATA,
    Column("id", BigId, primary_key=True),
    Column("source", Text, nullable=False),
    Column("identifier_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    Column("due_us", BigInteger),
    Column("whole_us", BigInteger),
    UniqueConstraint("source", "identifier_id"),
    sqlite_autoincrement=True,
)
Index("ix_crawl_patient_due", CRAWL_PATIENT.c.source, CRAWL_PATIENT.c.urgency, CRAWL_PATIENT.c.due_us)
Index("ix_crawl_patient_identifier", CRAWL_PATIENT.c.identifier_id)

CRAWL_SEARCH = Table(
    "crawl_search",
    METADATA,
    Column("patient_id", BigInteger, primary_key=True, autoincrement=False),
    Column("search", Text, primary_key=True),
    Column("cursor_us", BigInteger),
    Column("whole_us", BigInteger),
    Column("read_us", BigInteger),
    Column("trouble", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("told", LargeBinary),
    sqlite_with_rowid=False,
)

CRAWL_RESOURCE = Table(
    "crawl_resource",
    METADATA,
    Column("patient_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

CRAWL_CALL = Table(
    "crawl_call",
    METADATA,
    Column("source", Text, primary_key=True),
    Column("identifier_id", BigInteger, primary_key=True, autoincrement=False),
    Column("is_new", SmallInteger, primary_key=True, autoincrement=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

PENDING_KEY = Table("pending_key", METADATA, Column("key_id", LargeBinary, primary_key=True))

META = Table("meta", METADATA, Column("name", Text, primary_key=True), Column("value", LargeBinary, nullable=False))

schema_bulk.add_tables(METADATA)
schema_fhir.add_tables(METADATA)
schema_push.add_tables(METADATA)
