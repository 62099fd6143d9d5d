"""What every test may rely on: nobody's real accounts, and a Prefect server only if marked.

A developer's environment may point at a real Prefect server or a real AWS account. Tests
see neither, whatever they forget.
"""

import os
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

_REAL_WORLD = ("PREFECT_", "AWS_", "DOPPLER_", "GITHUB_", "GH_", "TT_")
_OF_THE_TESTS = ("TT_LAB_", "TT_CONTAINED_")
# Files that take minutes, the longest first: begun last, one of them would keep the others waiting.
_BEGUN_FIRST = (
    "e2e/test_deaths.py",
    "e2e/test_rollouts.py",
    "e2e/test_stack.py",
    "e2e/test_deploys.py",
    "e2e/test_served.py",
    "e2e/test_diagnose.py",
    "e2e/test_preflight.py",
    "e2e/test_notify.py",
    "e2e/test_adversity.py",
    "deployments/test_server_on_postgres.py",
    "deployments/test_turns.py",
)


# How long an example may take says more of a busy machine than of the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Cut the environment off from the real world, before anything imports Prefect."""
    for name in list(os.environ):
        if name.startswith(_REAL_WORLD) and not name.startswith(_OF_THE_TESTS):
            del os.environ[name]
    home = tempfile.TemporaryDirectory(prefix="tt-prefect-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    os.environ.update(
        PREFECT_HOME=home.name,
        # A flow test without its mark fails at once instead of starting a server each time.
        PREFECT_SERVER_EPHEMERAL_ENABLED="false",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file the order stays."""
    places = {name: place for place, name in enumerate(_BEGUN_FIRST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """Prefect's test server, one for the session: it takes about 12 s to start."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(autouse=True)
def prefect_where_marked(request: pytest.FixtureRequest) -> None:
    """Give the tests marked ``prefect`` the server; the others must not wait for it.

    ``prefect(own_server=True)`` marks a test that starts one itself, to stop or kill it.
    """
    mark = request.node.get_closest_marker("prefect")
    if mark and not mark.kwargs.get("own_server"):
        request.getfixturevalue("prefect_server")
