"""A TLS endpoint of a test's own, with a certificate that is about to end or not to be trusted."""

import os
import shutil
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server, socket
from typing import Any
from unittest.mock import patch


@contextmanager
def endpoint_ending(days: int, *, trusted: bool = True) -> Iterator[dict[str, Any]]:
    """An endpoint whose certificate ends in so many days; the policy that looks at it."""
    with tempfile.TemporaryDirectory() as folder, create_server(("127.0.0.1", 0)) as listener:
        certificate = _made(Path(folder), days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, Path(folder) / "key.pem")
        serving = threading.Thread(target=_shake_hands, args=(listener, context), daemon=True)
        serving.start()
        vouching = {"SSL_CERT_FILE": str(certificate)} if trusted else {}
        with patch.dict(os.environ, vouching):
            yield {"tls_endpoints": (f"localhost:{listener.getsockname()[1]}",)}


def _made(folder: Path, days: int) -> Path:
    openssl = shutil.which("openssl")
    assert openssl, "the tests need the openssl command"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days),
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return folder / "cert.pem"


def _shake_hands(listener: socket, context: ssl.SSLContext) -> None:
    """Until the listener is closed."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with suppress(OSError), context.wrap_socket(connection, server_side=True):
                pass
