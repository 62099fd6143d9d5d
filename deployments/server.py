"""What registration writes on a Prefect server: looked at first, written only if it differs."""

import enum
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker
from prefect_docker.worker import DockerWorker

from delivery.errors import ConfigurationError


class Change(enum.StrEnum):
    """What had to be done so that a thing is as it shall be."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


def store_block(client: SyncPrefectClient, block: Block, name: str) -> tuple[Block, Change]:
    """Store ``block`` as the document ``name``; the stored block, to be referred to.

    Its block type must be registered (``Block.register_type_and_schema``). A document that
    was written by another version of the block's schema is written anew, so that the form
    in the UI shows the fields of this one.
    """
    kind = type(block)
    schema = kind._block_schema_id
    try:
        document = client.read_block_document_by_name(name, kind.get_block_type_slug())
    except ObjectNotFound:
        block.save(name)
        return block, Change.CREATED
    if document.block_schema_id == schema and (stored := _load_same(block, name)):
        return stored, Change.UNCHANGED
    block.save(name, overwrite=True)
    return block, Change.UPDATED


def _load_same(block: Block, name: str) -> Block | None:
    """The stored block if it says the same as ``block``, else None."""
    try:
        stored = type(block).load(name)
    except (RuntimeError, ValueError):  # it no longer reads as this kind of block
        return None
    same = isinstance(stored, Block) and _said_by(stored) == _said_by(block)
    return stored if isinstance(stored, Block) and same else None


def _said_by(block: Block) -> dict[str, Any]:
    """The block's fields, secrets included, without what the server adds about it."""
    fields = block.model_dump(mode="json", context={"include_secrets": True})
    return {name: value for name, value in fields.items() if not name.startswith("_")}


def ensure_limit(client: SyncPrefectClient, name: str) -> Change:
    """One holder at a time: the global concurrency limit ``name``, of 1.

    Its lease is asked for by whoever takes it (``tasks.environments``); a server that is to
    keep leases over its own restart needs PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE.
    """
    try:
        found = client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))
        return Change.CREATED
    if found.limit == 1 and found.active and not found.slot_decay_per_second:
        return Change.UNCHANGED
    wanted = GlobalConcurrencyLimitUpdate(limit=1, active=True, slot_decay_per_second=0.0)
    client.update_global_concurrency_limit(name, wanted)
    return Change.UPDATED


def ensure_work_pool(client: SyncPrefectClient, name: str) -> Change:
    """The process work pool; one that is there keeps its owner's settings.

    Raises ConfigurationError if the name is taken by a pool of another type.
    """
    template = ProcessWorker.get_default_base_job_template()
    return _ensure_pool(client, name, ProcessWorker.type, template, replace=False)


def ensure_docker_pool(client: SyncPrefectClient, name: str, template: dict[str, Any]) -> Change:
    """The Docker work pool with this template, which takes the place of any other.

    Raises ConfigurationError if the name is taken by a pool of another type.
    """
    return _ensure_pool(client, name, DockerWorker.type, template, replace=True)


def _ensure_pool(
    client: SyncPrefectClient, name: str, kind: str, template: dict[str, Any], *, replace: bool
) -> Change:
    try:
        found = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=template))
        return Change.CREATED
    if found.type != kind:
        raise ConfigurationError(
            f"The work pool {name!r} is of type {found.type!r}, not {kind!r}.",
            next_command=f"prefect work-pool inspect {name}",
        )
    if not replace or found.base_job_template == template:
        return Change.UNCHANGED
    client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))
    return Change.UPDATED


def ensure_automation(client: SyncPrefectClient, wanted: AutomationCore) -> Change:
    """The automation of this name; one that an operator switched off stays off."""
    found = client.read_automations_by_name(wanted.name)
    if not found:
        client.create_automation(wanted)
        return Change.CREATED
    first = found[0]
    wanted = wanted.model_copy(update={"enabled": first.enabled})
    if _terms(first) == _terms(wanted):
        return Change.UNCHANGED
    client.update_automation(first.id, wanted)
    return Change.UPDATED


def _terms(automation: Automation | AutomationCore) -> dict[str, Any]:
    """What an automation does, comparable: sets are sorted, the server's id is left out."""
    core = AutomationCore.model_validate(automation.model_dump(exclude={"id"}))
    return {name: _sorted(value) for name, value in core.model_dump(mode="json").items()}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(each) for each in value), key=str)
    return value
