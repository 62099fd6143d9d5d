"""The Prefect server's own API, with our error for whatever keeps it from answering."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL

from delivery.errors import PrefectUnavailable


@contextmanager
def connected() -> Iterator[SyncPrefectClient]:
    """A client of the server; raises PrefectUnavailable for what fails in here."""
    try:
        with get_client(sync_client=True, httpx_settings={"timeout": 20.0}) as client:
            yield client
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        raise PrefectUnavailable(
            f"The Prefect server did not do as asked: {type(error).__name__}.",
            where=str(PREFECT_API_URL.value() or ""),
            next_command="prefect server start   # or correct PREFECT_API_URL",
        ) from None
