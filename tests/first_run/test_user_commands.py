"""`user` and `sessions` commands beside a running server, which feels them at once."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from src.first_run.failures import ExitCode
from tests.first_run.processes import RunningServer, cli, running_server, wait_until

PASSWORD = "a long walk by the river"
SOON_SECONDS = 20.0  # a second is promised, which others measure


@pytest.fixture(scope="module")
def server(shared_project: Path) -> Iterator[RunningServer]:
    """With the Redis that it brings along: the commands have to find it."""
    with running_server(shared_project) as server:
        yield server


class Account:
    """An account made by `user create`."""

    def __init__(self, server: RunningServer, name: str, *options: str) -> None:
        self.email = f"{name}@example.com"
        self._server = server
        done = self.run("user", "create", *options, "--password-stdin", stdin=f"{PASSWORD}\n")
        assert done.returncode == ExitCode.OK, done.stderr

    def run(
        self, group: str, name: str, *options: str, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return cli(self._server.project, group, name, self.email, *options, stdin=stdin)

    def log_in(self) -> str:
        """The access token of a new session."""
        status, tokens = self._server.post("/auth/login", email=self.email, password=PASSWORD)
        assert status == 200, tokens
        return tokens["access_token"]

    def status(self, access_token: str, path: str = "/auth/sessions") -> int:
        headers = {"Authorization": f"Bearer {access_token}"}
        return httpx.get(self._server.base + path, headers=headers, timeout=10).status_code

    def is_refused_soon(self, access_token: str) -> None:
        wait_until(
            lambda: self.status(access_token) == 401,
            SOON_SECONDS,
            what="a refused access token",
        )


@pytest.mark.faults
def test_the_first_administrator_is_made_on_the_command_line(server: RunningServer) -> None:
    root = Account(server, "root", "--role", "admin")

    assert root.status(root.log_in(), "/admin/users") == 200


@pytest.mark.faults
def test_a_role_is_given_and_taken_and_old_tokens_lose_it_at_once(server: RunningServer) -> None:
    account = Account(server, "role")
    before = account.log_in()

    given = account.run("user", "role", "--add", "admin")
    account.is_refused_soon(before)
    promoted = account.log_in()
    assert (given.returncode, given.stdout) == (
        ExitCode.OK,
        "role@example.com has now: user, admin.\n",
    )
    assert account.status(promoted, "/admin/users") == 200

    Account(server, "other-root", "--role", "admin")
    taken = account.run("user", "role", "--remove", "admin")
    assert taken.stdout == "role@example.com has now: user.\n"
    account.is_refused_soon(promoted)
    assert account.status(account.log_in(), "/admin/users") == 403


@pytest.mark.faults
def test_a_disabled_account_is_out_until_it_is_enabled(server: RunningServer) -> None:
    account = Account(server, "disabled")
    token = account.log_in()

    disabled = account.run("user", "disable")
    assert disabled.returncode == ExitCode.OK, disabled.stderr
    account.is_refused_soon(token)
    status, _ = server.post("/auth/login", email=account.email, password=PASSWORD)
    assert status == 401

    assert account.run("user", "enable").returncode == ExitCode.OK
    assert account.log_in()


@pytest.mark.faults
def test_a_forgotten_password_is_replaced_and_every_session_ends(server: RunningServer) -> None:
    account = Account(server, "forgetful")
    token, another = account.log_in(), "an entirely new phrase"

    weak = account.run("user", "reset-password", "--password-stdin", stdin="12345678\n")
    assert (weak.returncode, weak.stdout) == (ExitCode.REFUSED, "")
    assert "most common passwords" in weak.stderr
    assert account.status(token) == 200

    done = account.run("user", "reset-password", "--password-stdin", stdin=f"{another}\n")
    assert done.returncode == ExitCode.OK, done.stderr
    assert another not in done.stdout + done.stderr
    for told in ('"event": "password-reset"', '"cause": "password-reset"'):
        assert told in done.stderr
    account.is_refused_soon(token)
    statuses = [
        server.post("/auth/login", email=account.email, password=password)[0]
        for password in (PASSWORD, another)
    ]
    assert statuses == [401, 200]


@pytest.mark.faults
def test_sessions_are_listed_and_ended_one_or_all(server: RunningServer) -> None:
    account = Account(server, "sessions")
    tokens = [account.log_in() for _ in range(3)]
    listed = account.run("sessions", "list").stdout.splitlines()
    assert len(listed) == 3
    assert all("127.0.0.1" in line for line in listed)
    newest = listed[0].split()[0]

    done = account.run("sessions", "revoke", "--session", newest)
    assert done.returncode == ExitCode.OK, done.stderr
    account.is_refused_soon(tokens[-1])
    assert account.status(tokens[0]) == 200
    again = account.run("sessions", "revoke", "--session", newest)
    assert again.returncode == ExitCode.REFUSED

    assert account.run("sessions", "revoke").returncode == ExitCode.OK
    account.is_refused_soon(tokens[0])
    assert account.run("sessions", "list").stdout == ""


@pytest.mark.faults
def test_an_action_is_logged_apart_from_the_result(server: RunningServer) -> None:
    account = Account(server, "logged")

    done = account.run("user", "disable")

    assert done.stdout == "logged@example.com is disabled.\n"
    assert '"event": "user-changed"' in done.stderr


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (("user", "disable", "nobody@example.com"), ExitCode.REFUSED, "No account has the e-mail"),
        (("sessions", "list", "nobody"), ExitCode.REFUSED, "not an e-mail address"),
        (("user", "role", "ada@example.com", "--add", "Admin"), ExitCode.REFUSED, "pattern"),
        (("user", "role", "ada@example.com"), ExitCode.USAGE, "--add ROLE or --remove ROLE"),
    ],
)
def test_what_is_not_acceptable_is_refused_with_a_sentence(
    server: RunningServer, arguments: tuple[str, ...], exit_code: ExitCode, message: str
) -> None:
    done = cli(server.project, *arguments)

    assert (done.returncode, done.stdout) == (exit_code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.faults
def test_without_a_redis_the_commands_say_what_to_start(project: Path) -> None:
    assert cli(project, "secrets", "generate").returncode == ExitCode.OK
    assert cli(project, "migrate").returncode == ExitCode.OK

    embedded = cli(project, "user", "disable", "ada@example.com")
    elsewhere = cli(project, "sessions", "list", "ada@example.com", REDIS_URL="redis://127.0.0.1:1")

    assert (embedded.returncode, elsewhere.returncode) == (ExitCode.REDIS, ExitCode.REDIS)
    assert "make run" in embedded.stderr
    assert "does not answer" in elsewhere.stderr
    assert "Traceback" not in embedded.stderr + elsewhere.stderr
