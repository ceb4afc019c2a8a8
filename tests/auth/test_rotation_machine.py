"""The rules of rotation as a state machine: the real script on a real Redis against a plain model.

Whatever people, thieves, clocks and failing servers do, in whatever order, the script must answer
what the model answers, and the invariants of docs/adr/0002-rotation-and-grace.md must hold.
"""

import asyncio
import copy
import functools
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis.asyncio import Redis

from src.auth.key_ring import KeyRing, SigningKey, TokenRejected
from src.auth.refresh_tokens import (
    TOKEN_TYPE,
    PresentedRefreshToken,
    RefreshTokens,
    first_link,
    from_milliseconds,
    idempotency_key_hash,
)
from src.auth.store import keys
from src.auth.store.sessions import Lifetimes, SessionStore, Verdict
from tests.conftest import OFFSET_KEY
from tests.servers import RedisServer

LIFETIMES = Lifetimes(
    idle=timedelta(days=7),
    absolute=timedelta(days=30),
    grace=timedelta(seconds=30),
    recovery=timedelta(hours=24),
    remembered=timedelta(minutes=15),
    sessions_per_user=3,
)
# Either side of every limit, and far from it.
DURATIONS = [
    timedelta(seconds=1),
    LIFETIMES.grace - timedelta(seconds=3),
    LIFETIMES.grace + timedelta(seconds=3),
    LIFETIMES.recovery - timedelta(hours=1),
    LIFETIMES.recovery + timedelta(hours=1),
    LIFETIMES.idle - timedelta(hours=1),
    LIFETIMES.idle + timedelta(hours=1),
]


# A hash may happen to begin like one; a token has its first dot.
JWT_START = re.compile(r"eyJ[\w-]+\.")


# When a key expires, ms since the epoch, by Redis's own clock. Where Redis has to wait for the
# processor between the two commands, the sum is too small: the greatest of three counts.
EXPIRES_AT = """
local latest = 0
for _ = 1, 3 do
  local t = redis.call('TIME')
  local expires = t[1] * 1000 + math.floor(t[2] / 1000) + redis.call('PTTL', KEYS[1])
  latest = math.max(latest, expires)
end
return latest
"""
Dumps = dict[str, tuple[bytes, int]]


def are_equal(one: Dumps, other: Dumps) -> bool:
    """The same bytes that expire at the same moment, which can be told to a few milliseconds."""
    return one.keys() == other.keys() and all(
        content == other[name][0] and abs(expires - other[name][1]) <= 20
        for name, (content, expires) in one.items()
    )


@dataclass
class ModelSession:
    """What a session should be. Times are what the script reported."""

    user_id: UUID
    session_id: str
    absolute_end: datetime
    expires_at: datetime
    rotated_at: datetime
    generation: int = 0
    alive: bool = True
    key: str | None = None
    tokens: dict[int, str] = field(default_factory=dict)  # generation → the one token ever issued
    ended_by: dict[int, Verdict] = field(default_factory=dict)  # what its token is told again


class RotationMachine(RuleBasedStateMachine):
    server: ClassVar[RedisServer]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.redis = Redis.from_url(self.server.url, decode_responses=True)
        self.raw = Redis.from_url(self.server.url)
        self.store = SessionStore(self.redis, LIFETIMES)
        self.passed = timedelta()
        self.users = [uuid4(), uuid4()]
        self.sessions: list[ModelSession] = []
        self.undo: tuple[ModelSession, ModelSession, Dumps] | None = None
        self.ring_keys = [new_key()]

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.passed

    @property
    def tokens(self) -> RefreshTokens:
        ring = KeyRing(*reversed(self.ring_keys))
        return RefreshTokens(ring, issuer="latchkey", audience="api", clock=self.now)

    # -- what happens ---------------------------------------------------------------------------

    @initialize()
    def start_empty(self) -> None:
        self.flush()

    @rule(user=st.integers(0, 1))
    def log_in(self, user: int) -> None:
        link = first_link(user_id=self.users[user])
        opened = self.run(
            self.store.issue(
                user_id=link.user_id,
                session_id=link.session_id,
                jti_hash=link.jti_hash,
                device="Firefox on Linux",
                address="127.0.0.1",
            ),
        )
        issued_at = from_milliseconds(opened.issued_at_ms)
        expires_at = from_milliseconds(opened.expires_at_ms)
        self.end_oldest_beyond_cap(link.user_id, issued_at, opened.ended_by_cap)
        session = ModelSession(
            user_id=link.user_id,
            session_id=link.session_id,
            expires_at=expires_at,
            absolute_end=issued_at + LIFETIMES.absolute,
            rotated_at=issued_at,
        )
        tokens = self.tokens
        session.tokens[0] = tokens.encode(
            link,
            key=tokens.active_key,
            issued_at=issued_at,
            expires_at=expires_at,
        )
        self.sessions.append(session)
        self.undo = None

    def end_oldest_beyond_cap(
        self,
        user_id: UUID,
        now: datetime,
        ended: tuple[str, ...],
    ) -> None:
        live = [s for s in self.sessions if s.user_id == user_id and self.is_live(s, now)]
        # Of those that end in the same millisecond Redis chooses.
        live.sort(key=lambda s: (s.expires_at, s.session_id not in ended))
        surplus = live[: max(0, len(live) + 1 - LIFETIMES.sessions_per_user)]
        assert {s.session_id for s in surplus} <= set(ended)
        for session in surplus:
            session.alive = False
        dead = {s.session_id for s in self.sessions if s.user_id == user_id and not s.alive}
        assert set(ended) <= dead, "the cap ended a living session"

    @precondition(lambda self: self.sessions)
    @rule(
        which=st.integers(0, 3),
        behind=st.sampled_from([0, 0, 0, 1, 1, 2, 5, -1, -2]),
        key=st.sampled_from(["none", "same", "new"]),
    )
    def refresh(self, which: int, behind: int, key: str) -> None:
        """Somebody presents a token of a recent session: current, spent or one ahead."""
        session = self.sessions[-1 - which % len(self.sessions)]
        generation = session.generation - behind
        if generation in session.tokens:
            text = {"none": None, "same": session.key, "new": secrets.token_urlsafe(16)}[key]
            self.present_generation(session, generation, text)

    @precondition(lambda self: self.sessions and self.is_live(self.sessions[-1], self.now()))
    @rule(duration=st.sampled_from(DURATIONS), key=st.sampled_from(["none", "same", "new"]))
    def lose_an_answer_and_retry_later(self, duration: timedelta, key: str) -> None:
        session = self.sessions[-1]
        generation, first_key = session.generation, secrets.token_urlsafe(16)
        self.present_generation(session, generation, first_key)
        self.let_time_pass(duration)
        text = {"none": None, "same": first_key, "new": secrets.token_urlsafe(16)}[key]
        self.present_generation(session, generation, text)

    @precondition(lambda self: self.sessions and self.is_live(self.sessions[-1], self.now()))
    @rule()
    def stay_signed_in_to_the_absolute_end(self) -> None:
        session = self.sessions[-1]
        for _ in range(5):
            self.present_generation(session, session.generation, None)
            self.let_time_pass(LIFETIMES.idle - timedelta(hours=1))

    def present_generation(self, session: ModelSession, generation: int, key: str | None) -> None:
        try:
            presented = self.tokens.parse(session.tokens[generation])
        except TokenRejected:
            assert not self.is_live(session, self.now()) or generation < session.generation
            return
        assert presented.link.generation == generation
        self.present(session, presented, key)

    def present(
        self,
        session: ModelSession,
        presented: PresentedRefreshToken,
        key: str | None,
    ) -> None:
        before = self.run(self.dump(session))
        model_before = copy.copy(session)
        expected = {self.expected_verdict(session, presented.link.generation, key)}
        rotation = self.run(
            self.store.rotate(presented, key_hash=idempotency_key_hash(key) if key else ""),
        )
        # Once more: a limit may have been reached in between.
        expected.add(self.expected_verdict(session, presented.link.generation, key))
        verdict = rotation.verdict
        if expected & {Verdict.ENDED, Verdict.EXPIRED}:
            expected |= {Verdict.ENDED, Verdict.EXPIRED}
        assert verdict in expected
        if rotation.granted:
            self.check_grant(session, presented, rotation)
        if verdict is Verdict.REPLAY:
            assert are_equal(self.run(self.dump(session)), before), "a replay wrote"
        elif verdict is Verdict.ROTATED:
            session.generation = presented.successor.generation
            session.rotated_at = from_milliseconds(rotation.issued_at_ms)
            session.expires_at = from_milliseconds(rotation.expires_at_ms)
            session.key = key
            self.undo = (session, model_before, before)
        else:
            session.alive = False
            if verdict.ended_a_live_session:
                session.ended_by[presented.link.generation] = verdict
            self.undo = None

    def expected_verdict(
        self,
        session: ModelSession,
        generation: int,
        key: str | None,
    ) -> Verdict:
        """The rules, said once more and without Redis."""
        now = self.now()
        if not session.alive:
            return session.ended_by.get(generation, Verdict.ENDED)
        if now >= session.expires_at:
            return Verdict.EXPIRED
        if generation in (session.generation, session.generation + 1):
            return Verdict.ROTATED
        if generation > session.generation:
            return Verdict.AHEAD
        if generation < session.generation - 1:
            return Verdict.REUSE
        elapsed = now - session.rotated_at
        recovers = key is not None and key == session.key and elapsed < LIFETIMES.recovery
        return Verdict.REPLAY if elapsed < LIFETIMES.grace or recovers else Verdict.REUSE

    def check_grant(
        self,
        session: ModelSession,
        presented: PresentedRefreshToken,
        rotation: Any,
    ) -> None:
        successor = self.tokens.encode(
            presented.successor,
            key=presented.key,
            issued_at=from_milliseconds(rotation.issued_at_ms),
            expires_at=from_milliseconds(rotation.expires_at_ms),
        )
        generation = presented.link.generation + 1
        known = session.tokens.setdefault(generation, successor)
        jti = self.tokens.parse(known, allow_expired=True).link.jti
        assert jti == presented.successor.jti, "two tokens for one generation"
        if rotation.verdict is Verdict.REPLAY:
            assert known == successor, "a replay gave other bytes"
        session.tokens[generation] = successor
        assert from_milliseconds(rotation.expires_at_ms) <= session.absolute_end

    @rule(duration=st.sampled_from(DURATIONS))
    def let_time_pass(self, duration: timedelta) -> None:
        self.passed += duration
        self.run(self.redis.set(OFFSET_KEY, int(self.passed.total_seconds())))

    @precondition(lambda self: self.sessions)
    @rule(choice=st.randoms(use_true_random=False))
    def log_out(self, choice: Any) -> None:
        session = choice.choice(self.sessions)
        end = functools.partial(
            self.store.end,
            user_id=session.user_id,
            session_id=session.session_id,
        )
        was_alive = self.is_live(session, self.now())
        answer = self.run(end())
        assert answer or not was_alive
        assert answer == self.run(end()), "a repeated log-out was told something else"
        session.alive = False
        self.undo = None

    @rule(user=st.integers(0, 1))
    def revoke_all(self, user: int) -> None:
        theirs = [session for session in self.sessions if session.user_id == self.users[user]]
        live = {session.session_id for session in theirs if self.is_live(session, self.now())}
        ended = self.run(self.store.end_all(user_id=self.users[user], cause="test"))
        assert live <= set(ended)
        assert ended == self.run(self.store.end_all(user_id=self.users[user], cause="test"))
        for session in theirs:
            session.alive = False
        self.undo = None

    @rule()
    def flush(self) -> None:
        """Redis loses everything."""
        self.run(self.redis.flushall())
        self.run(self.redis.set(OFFSET_KEY, int(self.passed.total_seconds())))
        for session in self.sessions:
            session.alive, session.ended_by = False, {}
        self.undo = None

    @precondition(lambda self: self.undo)
    @rule()
    def lose_the_last_write(self) -> None:
        """A failover to a replica that had not yet seen the last rotation."""
        assert self.undo
        session, before, dumps = self.undo
        self.run(self.restore(dumps))
        session.generation, session.key = before.generation, before.key
        session.rotated_at, session.expires_at = before.rotated_at, before.expires_at
        self.undo = None

    @rule()
    def forget_scripts(self) -> None:
        self.run(self.redis.script_flush())

    @precondition(lambda self: len(self.ring_keys) < 3)
    @rule()
    def rotate_the_secret(self) -> None:
        self.ring_keys.append(new_key())

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    def every_key_expires_and_holds_no_token(self) -> None:
        self.run(self.check_redis())

    async def check_redis(self) -> None:
        secret_texts = {
            self.tokens.parse(token, allow_expired=True).link.jti
            for session in self.sessions
            for token in session.tokens.values()
        }
        for name in await self.redis.keys("auth:*"):
            assert await self.redis.pttl(name) > 0, name
            values = str(await self.redis.hgetall(name)) if ":s:" in name else name
            assert not JWT_START.search(str(values))
            assert not any(jti in values for jti in secret_texts)

    @invariant()
    def live_in_the_model_is_live_in_redis(self) -> None:
        now = self.now()
        for session in self.sessions:
            if self.is_live(session, now):
                key = keys.session(session.user_id, session.session_id)
                assert self.run(self.redis.hget(key, "n")) == str(session.generation)

    @staticmethod
    def is_live(session: ModelSession, now: datetime) -> bool:
        return session.alive and now < session.expires_at

    async def dump(self, session: ModelSession) -> Dumps:
        """Both keys of a session, byte for byte, and when they expire (ms since the epoch)."""
        dumps = {}
        for name in (
            keys.session_index(session.user_id),
            keys.session(session.user_id, session.session_id),
        ):
            content = await self.raw.dump(name)
            if content is not None:
                dumps[name] = (content, await self.raw.eval(EXPIRES_AT, 1, name))
        return dumps

    async def restore(self, dumps: Dumps) -> None:
        for name, (content, expires) in dumps.items():
            ttl = expires - int(datetime.now(UTC).timestamp() * 1000)
            await self.raw.restore(name, max(ttl, 1), content, replace=True)

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self.run(self.raw.aclose())


def new_key() -> SigningKey:
    return SigningKey(secret=secrets.token_urlsafe(48), token_type=TOKEN_TYPE)


def test_whatever_happens_in_whatever_order_the_script_keeps_the_rules(
    redis_server: RedisServer,
) -> None:
    with asyncio.Runner() as runner:
        RotationMachine.server = redis_server
        RotationMachine.runner = runner
        case = RotationMachine.TestCase
        case.settings = settings(
            max_examples=110,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        case("runTest").debug()
