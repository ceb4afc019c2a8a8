"""Which responder answers: the settings decide."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.assistant.local import LocalResponder
from src.assistant.records import RecordsOf
from src.chat.responder import Responder
from src.core.settings import Settings


@asynccontextmanager
async def responding(settings: Settings, records_of: RecordsOf) -> AsyncIterator[Responder]:
    """The responder of this process; its connections are closed at the end."""
    if settings.ASSISTANT_BASE_URL is None or settings.ASSISTANT_MODEL is None:
        yield LocalResponder(records_of)
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
