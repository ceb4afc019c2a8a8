"""Access tokens that no worker has seen: made with its own key, for sessions that exist."""

from collections.abc import Sequence
from datetime import timedelta

from benchmarks.api import Person
from benchmarks.contestants import Contestant, token_settings
from src.auth.access_tokens import AccessTokens
from src.auth.keys import Keys
from src.core.clock import utc_now

SESSION_GOES_ON = timedelta(days=1)  # for longer than a token lives


def give_unseen_tokens(issuer: Contestant, people: Sequence[Person], *, each: int) -> None:
    """Give everybody so many, as the server would have issued them. Others of theirs go."""
    tokens = _tokens_of(issuer)
    for person in people:
        session = tokens.verify(person.access_token)
        minted = (
            tokens.mint(
                user_id=session.user_id,
                session_id=session.session_id,
                roles=session.roles,
                not_after=utc_now() + SESSION_GOES_ON,
            )
            for _ in range(each)
        )
        person.unseen_tokens = [token.text for token in minted]


def _tokens_of(issuer: Contestant) -> AccessTokens:
    settings = token_settings(issuer)
    return AccessTokens(
        Keys(settings).access,
        issuer=settings.JWT_ISSUER,
        audience=settings.JWT_AUDIENCE,
        ttl=settings.access_ttl,
        clock=utc_now,
    )
