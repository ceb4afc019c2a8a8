"""deploy/nginx.conf as it is shipped, but for names and ports, in front of a real server."""

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from src.core.clock import utc_now
from tests.conftest import REPOSITORY, migrate
from tests.first_run.processes import wait_until
from tests.processes.workers import Worker, server_environment, worker_processes
from tests.servers import RedisServer, free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
NAME = "latchkey.example"
PATIENCE = 30.0
PASSWORD = "quiet harbour lantern 27"

pytestmark = [
    pytest.mark.faults,
    pytest.mark.one_database,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light"),
]

AROUND = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 2048; }}
http {{
    access_log off;
    set_real_ip_from 127.0.0.1;     # of loopback, IPv6 has one address alone
    real_ip_header X-Test-Address;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/latchkey.conf;
}}
"""


@dataclass(frozen=True)
class Front:
    """A running nginx, what its clients trust, and the server behind it."""

    tls_port: int
    plain_port: int
    certificate: Path
    worker: Worker

    def client(self, address: str) -> httpx.Client:
        """A client at this address of loopback."""
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        client = httpx.Client(
            base_url=f"https://127.0.0.1:{self.tls_port}",
            headers={"Host": NAME},
            transport=httpx.HTTPTransport(verify=trusted, local_address=address),
            timeout=PATIENCE,
        )
        client.event_hooks["request"] = [
            lambda request: request.extensions.update(sni_hostname=NAME)
        ]
        return client


@pytest.fixture(scope="module")
def front(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("nginx")
    database_url = f"sqlite+aiosqlite:///{folder}/test.db"
    migrate(database_url, "head")
    environment = server_environment(
        database_url=database_url,
        redis_url=redis_server.url,
        RATE_LIMITS="on",
        TRUSTED_PROXIES="127.0.0.1",
        FORWARDED_ALLOW_IPS="192.0.2.1",  # uvicorn itself shall believe nobody
    )
    with (
        worker_processes(1, environment, app="tests.chat.paced:app") as (worker,),
        running_nginx(folder, worker) as started,
    ):
        yield started


@contextmanager
def running_nginx(folder: Path, worker: Worker) -> Iterator[Front]:
    front = Front(free_port(), free_port(), certificate(folder), worker)
    (folder / "latchkey.conf").write_text(shipped(front, folder))
    user = "user root;" if os.getuid() == 0 else ""  # who may enter the folders of tests
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
    process = subprocess.Popen(
        [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    )
    try:
        wait_until(lambda: accepts(front.tls_port), PATIENCE, what="nginx")
        yield front
    finally:
        process.terminate()
        process.wait(PATIENCE)


def shipped(front: Front, folder: Path) -> str:
    """The shipped file with the ports, the certificate and the server of this test."""
    text = (REPOSITORY / "deploy/nginx.conf").read_text()
    text, tls = re.subn(r"listen 443\b", f"listen 127.0.0.1:{front.tls_port}", text)
    text, plain = re.subn(r"listen 80\b", f"listen 127.0.0.1:{front.plain_port}", text)
    upstream = f"server 127.0.0.1:{front.worker.port};"
    text, server = re.subn(r"server 127\.0\.0\.1:8000;", upstream, text)
    text, chain = re.subn(r"/etc/ssl/certs/\S+\.pem", str(front.certificate), text)
    text, key = re.subn(r"/etc/ssl/private/\S+\.key", str(folder / "key.pem"), text)
    assert (tls, plain, server, chain, key) == (2, 2, 1, 1, 1)
    return text


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(hours=1))
        .not_valid_after(utc_now() + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path = folder / "certificate.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return path


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def sign_up(client: httpx.Client, email: str) -> dict[str, str]:
    """The header that speaks for a new person."""
    answer = client.post("/auth/signup", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    answer = client.post("/auth/login", json={"email": email, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def guess(client: httpx.Client, email: str, **headers: str) -> int:
    wrong = {"email": email, "password": "wrong horse battery"}
    return client.post("/auth/login", json=wrong, headers=headers).status_code


def test_answers_come_through_and_know_of_tls(front: Front) -> None:
    with front.client("127.0.0.2") as client:
        answer = client.get("/healthz")
    assert answer.status_code == 200
    assert "strict-transport-security" in answer.headers
    assert answer.headers["server"] == "nginx"  # and no version


def test_limits_count_the_address_behind_the_proxy(front: Front) -> None:
    with front.client("127.0.0.2") as attacker, front.client("127.0.0.3") as victim:
        sign_up(victim, "victim@example.com")
        assert [guess(attacker, "victim@example.com") for _ in range(11)] == [401] * 10 + [429]
        forged = {"X-Forwarded-For": "127.0.0.9"}
        assert guess(attacker, "victim@example.com", **forged) == 429
        assert guess(victim, "victim@example.com") == 401


def test_streams_are_not_held_back(front: Front) -> None:
    with front.client("127.0.0.4") as client:
        speaking = sign_up(client, "listener@example.com")
        request = {"Accept": "text/event-stream", **speaking}
        message = {"message": "hello"}
        with client.stream("POST", "/chat/message", json=message, headers=request) as stream:
            # The reply never ends: what is heard of it was sent on at once.
            lines = islice(stream.iter_lines(), 12)
            heard = sum(line == "event: delta" for line in lines)
    assert heard >= 2


def test_large_bodies_end_at_the_proxy_as_problems(front: Front) -> None:
    with front.client("127.0.0.5") as client:
        answer = client.post("/auth/login", content=bytes(300 * 1024))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:problem:payload-too-large"


def test_a_flood_from_one_address_is_told_to_wait_and_others_are_served(front: Front) -> None:
    with front.client("127.0.0.6") as flood, front.client("127.0.0.7") as other:
        answers = [flood.get("/nowhere") for _ in range(600)]
        assert other.get("/healthz").status_code == 200
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["type"] == "urn:problem:too-many-requests"
    assert "retry-after" in refused[0].headers


def test_a_flood_from_all_over_an_ipv6_network_is_one_flood(front: Front) -> None:
    with front.client("127.0.0.1") as client:

        def asked_from(address: str) -> int:
            return client.get("/nowhere", headers={"X-Test-Address": address}).status_code

        networks = ("2001:db8:a:b", "2001:db8:a:c")
        flood = [asked_from(f"{networks[0]}:{number:x}::{number:x}") for number in range(600)]
        assert set(flood) == {404, 429}
        assert asked_from(f"{networks[1]}::1") == 404
        assert asked_from("2001:db8::1") == 404


def test_without_tls_people_are_led_on_and_programs_are_not(front: Front) -> None:
    at = f"http://127.0.0.1:{front.plain_port}"
    page = httpx.get(f"{at}/", headers={"Host": NAME})
    assert (page.status_code, page.headers["location"]) == (308, f"https://{NAME}/")
    assert httpx.post(f"{at}/auth/login", headers={"Host": NAME}, json={}).status_code == 403
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{at}/", headers={"Host": "evil.example"})


@pytest.mark.parametrize(
    ("version", "ciphers", "alert"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", "PROTOCOL_VERSION"),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA:AES256-SHA:@SECLEVEL=0", "HANDSHAKE_FAILURE"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "HANDSHAKE_FAILURE"),
    ],
    ids=["TLS 1.1", "no forward secrecy", "no authenticated encryption"],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_old_tls_is_refused(
    front: Front, version: ssl.TLSVersion, ciphers: str, alert: str
) -> None:
    old = ssl.create_default_context(cafile=str(front.certificate))
    old.set_ciphers(ciphers)
    old.minimum_version = old.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", front.tls_port), timeout=PATIENCE) as plain,
        pytest.raises(ssl.SSLError, match=f"ALERT_{alert}"),  # nginx's word, not the client's
    ):
        old.wrap_socket(plain, server_hostname=NAME)


def test_only_our_name_has_a_certificate(front: Front) -> None:
    trusted = ssl.create_default_context(cafile=str(front.certificate))
    with (
        socket.create_connection(("127.0.0.1", front.tls_port), timeout=PATIENCE) as plain,
        pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"),
    ):
        trusted.wrap_socket(plain, server_hostname="evil.example")


def test_metrics_are_not_for_the_world(front: Front) -> None:
    with front.client("127.0.0.8") as client:
        answer = client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html")  # nginx's own
