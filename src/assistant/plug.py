"""Which responder answers: the settings decide."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from src.chat.responder import Responder, Turn
from src.core.settings import Settings

if TYPE_CHECKING:
    from src.assistant.records import RecordsOf


@asynccontextmanager
async def responding(settings: Settings, records_of: "RecordsOf") -> AsyncIterator[Responder]:
    """The responder of this process; its connections are closed at the end."""
    if settings.ASSISTANT_BASE_URL is None or settings.ASSISTANT_MODEL is None:
        yield _local(records_of)
        return
    # Slow to import, and nobody else needs it.
    from src.assistant.openai_compatible import Endpoint, OpenAICompatibleResponder  # noqa: PLC0415

    key = settings.ASSISTANT_API_KEY
    responder = OpenAICompatibleResponder(
        Endpoint(
            base_url=settings.ASSISTANT_BASE_URL,
            api_key=key.get_secret_value() if key else None,
            model=settings.ASSISTANT_MODEL,
        ),
        records_of=records_of if settings.ASSISTANT_SHARE_RECORDS else None,
    )
    try:
        yield responder
    finally:
        await responder.aclose()


def _local(records_of: "RecordsOf") -> Responder:
    """The one that needs no network, made with the first question."""

    def respond(*, user_id: UUID, question: str, history: Sequence[Turn]) -> AsyncIterator[str]:
        # A worker that nobody ever asks does without; `run` has it before it forks its workers.
        from src.assistant.local import LocalResponder  # noqa: PLC0415

        return LocalResponder(records_of)(user_id=user_id, question=question, history=history)

    return respond
