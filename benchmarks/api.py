"""How the contestants are spoken to: the same work, each in its own words."""

import json
import secrets
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from urllib.parse import urlencode

PASSWORD = "correct horse battery staple"  # noqa: S105 - nobody's
_numbers = count(2)


class Work(StrEnum):
    """What is asked for."""

    SIGN_UP = "sign-up"
    LOG_IN = "log-in"
    PROFILE = "profile"
    VERIFY = "verify"
    VERIFY_UNSEEN = "verify, token unseen"
    REFRESH = "refresh"


class Person:
    """Somebody with an account and the tokens of a session."""

    def __init__(self) -> None:
        self.move()
        self.access_token = ""
        self.refresh_token = ""
        self.unseen_tokens: list[str] = []  # access tokens as well, which nobody was shown yet

    def move(self) -> None:
        """Be somebody else, elsewhere: a new e-mail, and the next address of 127.0.0.0/8."""
        number = next(_numbers)
        self.email = f"person-{secrets.token_hex(8)}@example.com"
        self.address = f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


@dataclass(frozen=True)
class Endpoint:
    """`members` of the body, where `{email}` and the like are filled in from the person."""

    method: str
    path: str
    members: dict[str, str] | None = None
    bearer: str = ""
    is_form: bool = False


@dataclass(frozen=True)
class Api:
    """What a contestant offers, and what it calls the tokens in its answers."""

    endpoints: dict[Work, Endpoint]
    access_token: str = "access_token"  # noqa: S105 - a member's name
    refresh_token: str = "refresh_token"  # noqa: S105 - a member's name

    def request(self, work: Work, person: Person) -> bytes:
        """The whole request."""
        endpoint = self.endpoints[work]
        known = {**vars(person), "password": PASSWORD}
        lines = [f"{endpoint.method} {endpoint.path} HTTP/1.1", "Host: localhost"]
        body = ""
        if endpoint.members is not None:
            members = {name: value.format(**known) for name, value in endpoint.members.items()}
            body = urlencode(members) if endpoint.is_form else json.dumps(members)
            kind = "x-www-form-urlencoded" if endpoint.is_form else "json"
            lines.append(f"Content-Type: application/{kind}")
        if endpoint.method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        if endpoint.bearer:
            lines.append(f"Authorization: Bearer {known[endpoint.bearer]}")
        return "\r\n".join([*lines, "", body]).encode()

    def learn(self, work: Work, person: Person, body: bytes) -> None:
        """Take over the tokens of an answer that has some."""
        if work in (Work.SIGN_UP, Work.LOG_IN, Work.REFRESH):
            answer = json.loads(body)
            person.access_token = answer.get(self.access_token, person.access_token)
            person.refresh_token = answer.get(self.refresh_token, person.refresh_token)
