"""What every test may rely on: nobody's real accounts, and a Prefect server only if marked.

A developer's environment may point at a real Prefect server or a real AWS account. Tests
see neither, whatever they forget.
"""

import gc
import os
import ssl
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
import pytest
from hypothesis import settings

from tests.free_ports import free_port

_REAL_WORLD = ("PREFECT_", "AWS_", "DOPPLER_", "GITHUB_", "GH_", "TT_")
_OF_THE_TESTS = ("TT_LAB_", "TT_CONTAINED_")
_HOME = tempfile.TemporaryDirectory(prefix="tt-prefect-", ignore_cleanup_errors=True)
# Files that take minutes come first: begun last, one of them would keep the others waiting. Those
# that count lost requests come second: labs that just came up still write a lot. The order of the
# labs' files is the quickest of thousands for three labs, by the times of a whole run. Last come
# several of a minute with many tests: pytest-xdist hands out the next file when two tests are left.
_BEGUN_FIRST = (
    "e2e/test_stack.py",
    "e2e/test_served.py",
    "e2e/test_deaths.py",
    "e2e/test_diagnose.py",
    "e2e/test_data_stores.py",
    "e2e/test_adversity.py",
    "e2e/test_rollouts.py",
    "e2e/test_verify.py",
    "e2e/test_addresses.py",
    "e2e/test_preflight.py",
    "e2e/test_deploys.py",
    "stack/test_redis_initialisation.py",
    "e2e/test_lab_life.py",
    "e2e/test_lab_registry.py",
    "e2e/test_lab_host.py",
    "e2e/test_notify.py",
    "host/test_probes.py",
    "deployments/test_server_on_postgres.py",
    "flows/test_rollout.py",
    "deployments/test_ci.py",
    "deployments/test_push_to_run.py",
    "deployments/test_turns.py",
    "host/test_killed.py",
)


# How long an example may take says more of a busy machine than of the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def _trust_few() -> str:
    """Trust one authority instead of the world's; the file of its certificate.

    Prefect's clients and httpx's read all of them anew for each client, 20 to 70 ms of a processor,
    and a test talks to this machine, or to somebody for whom it vouches itself. In this process
    alone: what downloads something for a test asks the world, with the machine's SSL_CERT_FILE.
    """
    known = Path(certifi.where()).read_text()
    end = "-----END CERTIFICATE-----\n"
    one = Path(_HOME.name, "authority.pem")
    one.write_text(known[known.index("-----BEGIN") : known.index(end) + len(end)])
    the_worlds = {certifi.where(), os.environ.get("SSL_CERT_FILE")} - {None}
    create = ssl.create_default_context

    def with_few(*args: Any, cafile: Any = None, **options: Any) -> ssl.SSLContext:
        return create(*args, cafile=one if cafile in the_worlds else cafile, **options)

    ssl.create_default_context = with_few
    return str(one)


def _cut_off() -> None:
    """Cut the environment off from the real world."""
    for name in list(os.environ):
        if name.startswith(_REAL_WORLD) and not name.startswith(_OF_THE_TESTS):
            del os.environ[name]
    # Those of pytest-xdist have the folder of the process that began them.
    os.environ.setdefault("FOLDER_OF_THE_RUN", _HOME.name)
    os.environ.update(
        PREFECT_HOME=_HOME.name,
        # Every thread and process knows the session's server by it, before and after that is up. A
        # flow test without its mark fails at once instead of starting a server each time.
        PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_API_SSL_CERT_FILE=_trust_few(),
        # Whenever a lab's worker asks for work its server pays 20 ms, and hardly a test has any.
        PREFECT_WORKER_QUERY_SECONDS="8",
        # Every five seconds a server looks for runs that are late, pauses that are over, and new
        # deployments: a third of what it does while nobody wants anything of it.
        PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS="60",
        PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS="60",
        PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS="60",
        PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS="60",
        # Of the types of block that a server knows by itself none is used: ours are registered.
        PREFECT_SERVER_REGISTER_BLOCKS_ON_START="false",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )


# Not in a hook: a conftest below this one imports Prefect, which reads it once.
_cut_off()


def pytest_unconfigure() -> None:
    """Remove what only this process used."""
    _HOME.cleanup()


def pytest_sessionfinish() -> None:
    """End what the servers of this process shared."""
    from tests.prefect_databases import end_databases

    end_databases()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file the order stays.

    Whichever test needs a Prefect server first waits for it within its own time.
    """
    _demand_marks_in_sight(items)
    places = {name: place for place, name in enumerate(_BEGUN_FIRST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))
    for item in items:
        if item.get_closest_marker("prefect") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


def _demand_marks_in_sight(items: list[pytest.Item]) -> None:
    """Refuse a mark that its file does not show: tools/test.sh finds a stage's files by it."""
    text_of = cache(lambda path: path.read_text(encoding="utf-8"))
    for item in items:
        for mark in ("prefect", "e2e"):
            if item.get_closest_marker(mark) and f"mark.{mark}" not in text_of(item.path):
                raise pytest.UsageError(f"{item.nodeid}: its file does not show 'mark.{mark}'")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays until the end: it would look at all of it often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect server, one for the session: it takes seconds to start."""
    from tests.prefect_servers import prefect_server_in
    from tests.quick_blocks import keep_schemas

    keep_schemas()
    port = urlsplit(os.environ["PREFECT_API_URL"]).port
    with prefect_server_in(tmp_path_factory.mktemp("prefect"), port=port):
        yield


@pytest.fixture(autouse=True)
def prefect_where_marked(request: pytest.FixtureRequest) -> None:
    """Give the tests marked ``prefect`` the server; the others must not wait for it.

    ``prefect(own_server=True)`` marks a test that starts one itself, to stop or kill it.
    """
    mark = request.node.get_closest_marker("prefect")
    if mark and not mark.kwargs.get("own_server"):
        request.getfixturevalue("prefect_server")
