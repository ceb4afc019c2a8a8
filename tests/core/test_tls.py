"""Who shows a certificate that nobody vouches for is not talked to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy.exc import DBAPIError

from src.core.db import build_engine
from src.core.errors import ServiceUnavailable
from src.core.redis import build_redis, reach
from src.issuers.jwks import JwksClient, KeysUnreachable

HOST, ADDRESS = "localhost", "127.0.0.1"  # by its other address it may not be there


@dataclass
class Impostor:
    """A server with a certificate of its own making, and what reached it under TLS."""

    certificate: Path
    port: int = 0
    received: list[bytes] = field(default_factory=list)

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await reader.read(1_024))
        writer.close()


def self_signed(folder: Path) -> Path:
    """A key and its certificate for this machine, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "impostor.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    return path


def tls_of(made: Impostor, *, asks_for_a_certificate: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate)
    if asks_for_a_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(made.certificate)
    return context


@pytest.fixture
async def impostor(tmp_path: Path) -> AsyncIterator[Impostor]:
    made = Impostor(self_signed(tmp_path))
    async with await asyncio.start_server(made.hear, ADDRESS, 0, ssl=tls_of(made)) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@asynccontextmanager
async def like_postgresql(folder: Path, **options: bool) -> AsyncIterator[Impostor]:
    """Its clients ask in plain bytes whether it does TLS, and it says so."""
    made = Impostor(self_signed(folder))
    context = tls_of(made, **options)

    async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        with suppress(OSError):
            await writer.start_tls(context)
            await made.hear(reader, writer)

    async with await asyncio.start_server(agree, ADDRESS, 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


async def ping(url: str) -> None:
    redis = build_redis(url)
    try:
        await reach(redis.ping())
    finally:
        await redis.aclose()


async def test_a_redis_that_nobody_vouches_for_gets_no_password(impostor: Impostor) -> None:
    url = f"rediss://me:a-password@{HOST}:{impostor.port}"
    with pytest.raises(ServiceUnavailable):
        await ping(url)
    assert not any(impostor.received)
    with pytest.raises(ServiceUnavailable):  # it hangs up, having heard us
        await ping(f"{url}?ssl_ca_certs={impostor.certificate}")
    assert b"a-password" in b"".join(impostor.received)


async def reach_postgresql(at: Impostor, options: str) -> None:
    """Raises: what ends it, be it that nobody answers under TLS."""
    engine = build_engine(
        f"postgresql://me:a-password@{HOST}:{at.port}/db?sslmode=verify-full&{options}"
    )
    try:
        await engine.connect()
    finally:
        await engine.dispose()


async def test_a_postgresql_that_nobody_vouches_for_hears_nothing(tmp_path: Path) -> None:
    async with like_postgresql(tmp_path) as impostor:
        with pytest.raises(ssl.SSLCertVerificationError):
            await reach_postgresql(impostor, "sslrootcert=system")
        assert not any(impostor.received)
        with pytest.raises(DBAPIError):
            await reach_postgresql(impostor, f"sslrootcert={impostor.certificate}")
        assert any(impostor.received)


async def test_a_postgresql_that_asks_for_our_certificate_gets_it(tmp_path: Path) -> None:
    async with like_postgresql(tmp_path, asks_for_a_certificate=True) as server:
        ours = f"sslcert={server.certificate}&sslkey={server.certificate}"
        with pytest.raises((OSError, DBAPIError)):
            await reach_postgresql(server, f"sslrootcert={server.certificate}")
        assert not any(server.received)
        with pytest.raises(DBAPIError):
            await reach_postgresql(server, f"sslrootcert={server.certificate}&{ours}")
        assert any(server.received)


async def test_a_redis_that_asks_for_our_certificate_gets_it(tmp_path: Path) -> None:
    made = Impostor(self_signed(tmp_path))
    context = tls_of(made, asks_for_a_certificate=True)
    async with await asyncio.start_server(made.hear, ADDRESS, 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"rediss://me@{HOST}:{port}?ssl_ca_certs={made.certificate}"
        ours = f"&ssl_certfile={made.certificate}&ssl_keyfile={made.certificate}"
        with pytest.raises(ServiceUnavailable):
            await ping(url)
        assert not any(made.received)
        with pytest.raises(ServiceUnavailable):  # it hangs up, having heard us
            await ping(url + ours)
        assert any(made.received)


async def test_an_issuer_that_nobody_vouches_for_is_not_asked_for_keys(impostor: Impostor) -> None:
    keys = JwksClient(f"https://{HOST}:{impostor.port}/jwks")
    try:
        with pytest.raises(KeysUnreachable):
            await keys.key_for("any")
    finally:
        await keys.aclose()
    assert not any(impostor.received)
