"""What the history tells of sessions: that each has ended, and why."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from src.auth.audit import Event, note
from src.auth.refresh_tokens import Link
from src.auth.store.sessions import Verdict
from src.core.logging import log_event
from src.core.metrics import metrics

EXPIRED: Final = "expired"

# The owner's words for it. AHEAD is a Redis that was rolled back, FORGED a leaked signing key.
_ENDED_BY: Final = {
    Verdict.EXPIRED: EXPIRED,
    Verdict.REUSE: "reuse-detected",
    Verdict.AHEAD: "redis-rolled-back",
    Verdict.FORGED: "token-forged",
}


def note_ended(session_ids: Sequence[str], *, user_id: UUID, cause: str) -> None:
    """Sessions end once, whoever finds it and however often."""
    for session_id in session_ids:
        metrics().session_ended(cause)
        note(
            Event.SESSION_ENDED,
            cause=cause,
            user_id=user_id,
            session_id=session_id,
            unless_ended=True,
        )


def note_refusal(link: Link, verdict: Verdict, *, is_news: bool) -> None:
    """A refused refresh, and the end of the session where that is what it led to.

    Only then, and once, it is history: whoever has a token of an ended session can repeat it.
    """
    if not (is_news and verdict.ended_a_live_session):
        log_event(
            "refresh-refused",
            cause=verdict,
            user_id=str(link.user_id),
            session_id=link.session_id,
            generation=link.generation,
        )
    else:
        note(
            Event.REFRESH_REFUSED,
            cause=verdict,
            user_id=link.user_id,
            session_id=link.session_id,
            generation=link.generation,
            unless_ended=True,
        )
    if is_news and verdict in _ENDED_BY:
        note_ended([link.session_id], user_id=link.user_id, cause=_ENDED_BY[verdict])
