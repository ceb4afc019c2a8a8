"""The history in SQL: a chain in which every row carries the hash of the one before it."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.models import AuthEvent

GENESIS: Final = "0" * 64  # what the first row has in place of a predecessor's hash
CHAIN_LOCK: Final = 0x4C61_7463_6861_696E  # the same number in every worker
SESSION_ENDED: Final = "session-ended"
OPENING: Final = ("signed-up", "logged-in", "password-changed")
ROWS_AT_ONCE: Final = 1_000
MOST_CHARACTERS: Final = 64

_HASHED: Final = (
    "seq",
    "at",
    "event",
    "outcome",
    "cause",
    "user_id",
    "actor_id",
    "session_id",
    "address",
    "device",
    "request_id",
    "detail",
    "previous_hash",
)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A row to be: all but its place in the chain."""

    at: datetime
    event: str
    outcome: str
    cause: str | None = None
    user_id: UUID | None = None
    actor_id: UUID | None = None
    session_id: str | None = None
    address: str | None = None
    device: str | None = None
    request_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    unless_ended: bool = False


def chain_hash(row: AuthEvent) -> str:
    """SHA-256, in hex, of everything in the row but its hash.

    Hashed is one JSON object (RFC 8259): the columns by name in alphabetical order, no blanks,
    ASCII only; times as `YYYY-MM-DDTHH:MM:SS.ffffffZ`, ids as lower-case UUIDs, absent as null.
    """
    return _hash_of({name: getattr(row, name) for name in _HASHED})


def _hash_of(columns: Mapping[str, object]) -> str:
    values = {name: _plain(columns[name]) for name in _HASHED}
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value) if isinstance(value, UUID) else value


async def append(db: AsyncSession, news: Sequence[NewEvent]) -> None:
    """Add rows to the end of the chain; the caller commits, and until then nobody else adds any."""
    await _lock_the_end(db)
    last = (await db.exec(select(AuthEvent).order_by(col(AuthEvent.seq).desc()).limit(1))).first()
    seq, previous_hash = (last.seq, last.hash) if last else (0, GENESIS)
    ended = await _ended_among(db, [new.session_id for new in news if new.unless_ended])
    rows: list[dict[str, Any]] = []
    for new in news:
        if new.unless_ended and new.session_id in ended:
            continue
        seq += 1
        row = _row(new, seq, previous_hash)
        previous_hash = row["hash"]
        rows.append(row)
    if rows:  # as one statement: a log-out everywhere can end thousands of sessions
        await (await db.connection()).execute(insert(AuthEvent), rows)


async def _lock_the_end(db: AsyncSession) -> None:
    """Held to the end of the transaction, so the next one sees what this one added."""
    if db.get_bind().dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:lock)").bindparams(lock=CHAIN_LOCK)
        await db.exec(lock)  # type: ignore[call-overload]
    else:
        await db.exec(text("BEGIN IMMEDIATE"))  # type: ignore[call-overload]


async def _ended_among(db: AsyncSession, session_ids: Sequence[str | None]) -> set[str | None]:
    """Those of whose end the history tells."""
    ended: set[str | None] = set()
    for start in range(0, len(session_ids), ROWS_AT_ONCE):
        statement = select(AuthEvent.session_id).where(
            col(AuthEvent.session_id).in_(session_ids[start : start + ROWS_AT_ONCE]),
            AuthEvent.event == SESSION_ENDED,
        )
        found = await db.exec(statement)
        ended.update(found.all())
    return ended


def _row(new: NewEvent, seq: int, previous_hash: str) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "seq": seq,
        "at": new.at,
        "event": new.event,
        "outcome": new.outcome,
        "cause": new.cause and new.cause[:MOST_CHARACTERS],
        "user_id": new.user_id,
        "actor_id": new.actor_id,
        "session_id": new.session_id,
        "address": (new.address or "")[:MOST_CHARACTERS],
        "device": (new.device or "")[:MOST_CHARACTERS],
        "request_id": new.request_id,
        "detail": new.detail,
        "previous_hash": previous_hash,
    }
    return {**columns, "hash": _hash_of(columns)}


async def open_sessions(db: AsyncSession, *, user_id: UUID, opened_before: datetime) -> list[str]:
    """Ids of a user's sessions of whose end the history does not tell, opened before a time."""
    ended = select(AuthEvent.session_id).where(
        AuthEvent.user_id == user_id,
        AuthEvent.event == SESSION_ENDED,
    )
    opened = select(AuthEvent.session_id).where(
        AuthEvent.user_id == user_id,
        col(AuthEvent.event).in_(OPENING),
        AuthEvent.at < opened_before,
        col(AuthEvent.session_id).is_not(None),
        col(AuthEvent.session_id).not_in(ended),
    )
    return [str(session_id) for session_id in (await db.exec(opened)).all()]


async def newest(
    db: AsyncSession,
    *,
    user_id: UUID | None,
    before: int | None,
    limit: int,
) -> Sequence[AuthEvent]:
    """Rows about a user, or about all (None), newest first, older than `before`."""
    statement = select(AuthEvent).order_by(col(AuthEvent.seq).desc()).limit(limit)
    if user_id is not None:
        statement = statement.where(AuthEvent.user_id == user_id)
    if before is not None:
        statement = statement.where(AuthEvent.seq < before)
    return (await db.exec(statement)).all()


@dataclass(frozen=True, slots=True)
class Chain:
    """What verifying found: `count` sound rows from the first on, the last of which has `head`.

    `first_bad` is the number of the first row that is not what was written, None without one.
    """

    count: int
    head: str
    first_bad: int | None = None
    has_expected: bool = True


async def verify(db: AsyncSession, *, expected: str | None = None) -> Chain:
    """Read the chain from its start, `ROWS_AT_ONCE` in memory, up to the first bad row.

    `expected` is a head noted earlier, which must still be the hash of some row.
    """
    count, head, has_expected = 0, GENESIS, expected in (None, GENESIS)
    async for place, row in _in_order(db):
        if (
            row is None
            or row.seq != count + 1
            or row.previous_hash != head
            or row.hash != chain_hash(row)
        ):
            return Chain(count, head, first_bad=min(place, count + 1), has_expected=has_expected)
        count, head = row.seq, row.hash
        has_expected = has_expected or head == expected
    return Chain(count, head, has_expected=has_expected)


async def _in_order(db: AsyncSession) -> AsyncIterator[tuple[int, AuthEvent | None]]:
    """Each row with its number; None for one whose values are no values of their columns."""
    by_seq = select(AuthEvent).order_by(col(AuthEvent.seq))
    places = select(AuthEvent.seq).order_by(col(AuthEvent.seq))
    after: int | None = None
    limit = ROWS_AT_ONCE
    while True:
        later = col(AuthEvent.seq) > after if after is not None else col(AuthEvent.seq).is_not(None)
        try:
            page = (await db.exec(by_seq.where(later).limit(limit))).all()
        except (ValueError, TypeError):
            if limit == 1:
                yield (await db.exec(places.where(later).limit(1))).one(), None
                return
            limit = 1  # which of them it is
            continue
        for row in page:
            after = row.seq
            yield row.seq, row
        if not page:
            return
