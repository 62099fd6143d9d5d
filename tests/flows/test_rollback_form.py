"""The form of the served rollback offers what the hosts can go back to, and refuses nothing."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient

from delivery.report import Outcome
from flows import drift
from flows.rollback import rollback
from tests.flows.conftest import World

pytestmark = pytest.mark.prefect


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def served(world: World, client: SyncPrefectClient) -> Iterator[UUID]:
    """The rollback of the environment, served as prefect.yaml serves it."""
    id_ = client.create_deployment(
        flow_id=client.create_flow(rollback),
        name=world.name,
        parameters={"environment": world.name},
        parameter_openapi_schema=rollback.parameters.model_dump(),
        enforce_parameter_schema=True,
        entrypoint="flows/rollback.py:rollback",
        description="Go back.",
        tags=["tt-deploy"],
    )
    yield id_
    client.delete_deployment(id_)


def offered(client: SyncPrefectClient, id_: UUID) -> list[str]:
    form: Any = client.read_deployment(id_).parameter_openapi_schema
    return [tag for kind in form["properties"]["to"]["anyOf"] for tag in kind.get("enum", [])]


def test_it_follows_the_releases(world: World, client: SyncPrefectClient, served: UUID) -> None:
    world.running("v1.0.0")
    for tag, expected in (("v1.1.0", ["v1.0.0"]), ("v1.2.0", ["v1.1.0", "v1.0.0"])):
        world.built(tag)
        assert world.rolled_out(tag).outcome is Outcome.DEPLOYED
        assert offered(client, served) == expected
    kept = client.read_deployment(served)
    assert (kept.entrypoint, kept.description) == ("flows/rollback.py:rollback", "Go back.")
    assert (kept.tags, kept.enforce_parameter_schema) == (["tt-deploy"], True)


def test_a_release_that_did_not_hold_changes_no_offer(
    world: World, client: SyncPrefectClient, served: UUID
) -> None:
    world.running("v1.0.0")
    world.host.unhealthy.add(world.built("v1.1.0"))
    world.rolled_out("v1.1.0")
    assert offered(client, served) == []


def test_drift_brings_back_an_offer_that_serving_the_flows_anew_took_away(
    world: World, client: SyncPrefectClient, served: UUID
) -> None:
    world.running("v1.0.0")
    world.running("v1.1.0")
    assert offered(client, served) == []
    drift.main(["--environment", world.name])
    assert offered(client, served) == ["v1.0.0"]


def test_every_version_is_taken_offered_or_not(
    world: World, client: SyncPrefectClient, served: UUID
) -> None:
    world.running("v1.0.0")
    world.built("v1.1.0")
    world.rolled_out("v1.1.0")
    for to in ("v1.0.0", "1.0.0", "v0.1.0", None):
        run = client.create_flow_run_from_deployment(served, parameters={"to": to})
        assert run.parameters["to"] == to
        client.delete_flow_run(run.id)
