"""The work pool whose runs are containers, and the image that they run."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect_docker.worker import DockerWorkerJobConfiguration

from delivery.errors import ConfigurationError
from deployments.docker_pool import WORK_POOL, DockerPool
from deployments.server import Change, ensure_docker_pool, ensure_work_pool
from flows.watched import HEARTBEAT_SECONDS
from tools.worker_image import asked

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deployments" / "Dockerfile").read_text()
SOCKET = "/var/run/docker.sock"
IN_DOCKER = yaml.safe_load((ROOT / "prefect.yaml").read_text())["definitions"]["in_docker"]


def job(pool: DockerPool, **values: Any) -> DockerWorkerJobConfiguration:
    """What the Docker worker makes of the template and a deployment's job variables."""
    made = DockerWorkerJobConfiguration.from_template_and_values(pool.job_template(), values)
    configuration: DockerWorkerJobConfiguration = asyncio.run(made)
    return configuration


@pytest.mark.prefect
def test_without_variables_a_run_gets_the_local_image_and_no_engine() -> None:
    made = job(DockerPool.from_environment({"TT_DEPLOY_IMAGE": ""}))
    assert (made.image, made.networks, made.network_mode) == ("tt-deploy:local", [], None)
    assert made.volumes == ["tt-deploy-git:/var/lib/tt-deploy"]
    assert "DOCKER_HOST" not in made.env


@pytest.mark.prefect
def test_a_socket_is_mounted_for_the_group_that_may_use_it() -> None:
    said = {"TT_DOCKER_HOST": f"unix://{SOCKET}", "TT_DOCKER_GROUP": "998"}
    made = job(DockerPool.from_environment(said))
    assert f"{SOCKET}:{SOCKET}" in made.volumes
    assert made.env["DOCKER_HOST"] == f"unix://{SOCKET}"
    assert made.container_create_kwargs is not None
    assert made.container_create_kwargs["group_add"] == ["998"]


@pytest.mark.prefect
def test_an_engine_elsewhere_is_an_address_alone() -> None:
    made = job(DockerPool.from_environment({"TT_DOCKER_HOST": "tcp://builder:2376"}))
    assert made.env["DOCKER_HOST"] == "tcp://builder:2376"
    assert made.volumes == ["tt-deploy-git:/var/lib/tt-deploy"]


@pytest.mark.prefect
@pytest.mark.parametrize(
    ("network", "networks", "mode"), [("deploys", ["deploys"], None), ("host", [], "host")]
)
def test_the_network_is_one_of_the_engines_or_the_machines(
    network: str, networks: list[str], mode: str | None
) -> None:
    made = job(DockerPool(network=network))
    assert (made.networks, made.network_mode) == (networks, mode)


@pytest.mark.prefect
def test_no_deployment_can_loosen_what_contains_a_run() -> None:
    made = job(DockerPool(), privileged=True, container_create_kwargs={}, auto_remove=False)
    assert (made.privileged, made.auto_remove) == (False, True)
    assert made.container_create_kwargs is not None
    assert made.container_create_kwargs["read_only"] is True
    assert made.container_create_kwargs["cap_drop"] == ["ALL"]


def test_the_template_has_no_place_for_a_credential() -> None:
    assert "credentials" not in str(DockerPool().job_template()).lower()


@pytest.mark.prefect
def test_a_deployments_environment_comes_on_top_of_the_pools() -> None:
    variables = IN_DOCKER["work_pool"]["job_variables"]
    made = job(DockerPool(docker_host="tcp://builder:2376"), **variables)
    assert made.env == {
        "PREFECT_HOME": "/var/lib/prefect",
        "DOCKER_HOST": "tcp://builder:2376",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    }


def test_what_prefect_yaml_offers_fits_pool_and_image() -> None:
    assert IN_DOCKER["work_pool"]["name"] == WORK_POOL
    (pull,) = IN_DOCKER["pull"]
    (where,) = pull.values()
    assert f"WORKDIR {where['directory']}" in DOCKERFILE.partition("useradd")[2]


def test_the_image_runs_as_nobody_and_can_be_pinned_by_digest() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001"]
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases == ["${DOCKER}", "${PYTHON}", "${PYTHON}"]
    assert [re.search(r":\d+\.\d+\.\d+", asked(name)) is None for name in ("PYTHON", "DOCKER")] == [
        False,
        False,
    ]


@pytest.mark.prefect
def test_the_pool_is_made_once_and_follows_its_variables() -> None:
    with get_client(sync_client=True) as client:
        template = DockerPool().job_template()
        assert ensure_docker_pool(client, "contained", template) is Change.CREATED
        assert ensure_docker_pool(client, "contained", template) is Change.UNCHANGED
        newer = DockerPool(image="tt-deploy:2").job_template()
        assert ensure_docker_pool(client, "contained", newer) is Change.UPDATED
        assert client.read_work_pool("contained").base_job_template == newer
        with pytest.raises(ConfigurationError, match="of type 'docker'"):
            ensure_work_pool(client, "contained")
