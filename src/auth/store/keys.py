"""Every Redis key of the platform, spelled here and nowhere else. See docs/redis.md.

The braces are a cluster hash tag: all keys of one user live in one slot, as scripts need.
"""

from uuid import UUID


def session(user_id: UUID, session_id: str) -> str:
    """A session: hash `n c r a k d ip` (see docs/redis.md). Expires with its entry in the index.

    Of one that was ended: hash `v c`, how and by which token, as long as its access tokens live.
    """
    return f"auth:{{{user_id}}}:s:{session_id}"


def session_index(user_id: UUID) -> str:
    """A user's live sessions: sorted set, session id → expiry in ms. Expires with its last entry.

    Membership is liveness: a session that is not in here has ended, whatever its hash says.
    """
    return f"auth:{{{user_id}}}:i"


def ended_lately(user_id: UUID, cause: str) -> str:
    """A user's sessions that ended together for a cause, or by the cap: sorted set of their ids.

    Expires when their access tokens have. The scores are not read but for the cap's: when.
    """
    return f"auth:{{{user_id}}}:e:{cause}"


def revocations() -> str:
    """What was revoked: stream of `s` session id or `u` user id, the time in the entry's id.

    Expires when its newest entry matters no longer; older entries are trimmed.
    """
    return "auth:{rev}"


def guesses(address_hash: str) -> str:
    """Wrong passwords from an address: sorted set, attempt id → when. Expires with its window.

    Everything that is counted for an address is in one slot: one script decides on all of it.
    """
    return f"auth:{{rl:{address_hash}}}:p"


def guesses_at_account(address_hash: str, account_hash: str) -> str:
    """Wrong passwords from an address for one account, known or not: as above."""
    return f"{guesses(address_hash)}:{account_hash}"


def signups(address_hash: str) -> str:
    """Sign-ups from an address: as above."""
    return f"auth:{{rl:{address_hash}}}:u"


def uses(owner_hash: str, limit: str) -> str:
    """What a person or customer did under a limit: as above."""
    return f"auth:{{use:{owner_hash}}}:{limit}"
