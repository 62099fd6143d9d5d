"""TLS: whom our HTTP clients trust, and an endpoint's certificate as any client would see it."""

import datetime
import socket
import ssl
import threading
from functools import cache

import httpx

from delivery.errors import ConfigurationError, DeliveryError, HostUnreachable

_SECONDS = 5.0
_reading = threading.Lock()


def trusted() -> ssl.SSLContext:
    """What ``httpx`` verifies servers with by itself, read once for all clients of the process.

    Reading the certificates takes 20 to 70 ms of processor time, and a deploy opens a dozen
    clients, some of them side by side.
    """
    with _reading:
        return _read()


@cache
def _read() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def certificate_end(endpoint: str, *, context: ssl.SSLContext | None = None) -> datetime.datetime:
    """When the certificate of ``host:port`` ends.

    Raises ConfigurationError if it is not to be trusted (expired, another name, unknown
    issuer), and HostUnreachable (transient) if nobody answers.
    """
    host, _, port = endpoint.rpartition(":")
    context = context or ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, int(port)), timeout=_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            ends = str((secured.getpeercert() or {})["notAfter"])
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"The certificate is not to be trusted: {error.verify_message}.", where=endpoint,
            next_command=f"openssl s_client -connect {endpoint} -servername {host}",
        ) from None  # fmt: skip
    except (OSError, KeyError) as error:
        raise _unreachable(endpoint, error) from None
    return datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), datetime.UTC)


def _unreachable(endpoint: str, error: Exception) -> DeliveryError:
    return HostUnreachable(
        f"No TLS endpoint answered: {type(error).__name__}.", where=endpoint,
        next_command=f"openssl s_client -connect {endpoint} </dev/null",
    )  # fmt: skip
