"""The certificate of a TLS endpoint: a real handshake on loopback."""

import datetime
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from blocks.tls import certificate_end
from delivery.errors import ConfigurationError, HostUnreachable


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of localhost for ten days, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    openssl = shutil.which("openssl")
    assert openssl, "the tests need the openssl command"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


@contextmanager
def an_endpoint(pair: tuple[Path, Path]) -> Iterator[str]:
    """A server that shakes hands once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True):
                    pass

        thread = threading.Thread(target=shake)
        thread.start()
        yield f"localhost:{listener.getsockname()[1]}"
        thread.join(10)


def test_when_a_trusted_certificate_ends(pair: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(pair[0]))
    with an_endpoint(pair) as endpoint:
        ends = certificate_end(endpoint, context=trusting)
    left = ends - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=9) < left <= datetime.timedelta(days=10)


def test_a_certificate_that_nobody_vouches_for_is_refused(pair: tuple[Path, Path]) -> None:
    with (
        an_endpoint(pair) as endpoint,
        pytest.raises(ConfigurationError, match="not to be trusted"),
    ):
        certificate_end(endpoint)


def test_an_endpoint_that_is_away_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HostUnreachable) as away:
        certificate_end(f"127.0.0.1:{port}")
    assert away.value.next_command.startswith(f"openssl s_client -connect 127.0.0.1:{port}")
