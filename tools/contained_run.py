"""Prove the Docker work pool in the lab that is up: build the image, run flows in containers.

    python -m tools.contained_run [FLOW...]

Builds `deployments/Dockerfile` (`tools.worker_image`), registers the lab with `--docker`, serves
the flows (`healthcheck` if none is named) as `FLOW/contained` in that pool by what
`prefect.yaml` says of it, and has a Docker worker on the lab's engine run each once. Exits
as `prefect deployment run --watch` does.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from deployments.docker_pool import WORK_POOL
from lab import prefect
from lab.lab import ROOT, Lab
from lab.settings import default_home
from tools.worker_image import build

NAME = "contained"
_COMMAND_SECONDS = 600


def main(arguments: Sequence[str]) -> int:
    """0 if every flow completed in its container."""
    lab = Lab.load(default_home())
    environment = pool_environment(lab, build(lab))
    with TemporaryDirectory(prefix="tt-contained-") as name:
        folder = Path(name)
        file = folder / "prefect.yaml"
        file.write_text(yaml.safe_dump(contained(arguments or ["healthcheck"])))
        run(environment, sys.executable, "-m", "deployments.register", "lab", "--docker")
        deploy = ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
        run(environment, prefect.program("prefect"), *deploy)
        with docker_worker({**environment, "PREFECT_HOME": str(folder)}):
            return max(follow(environment, flow) for flow in arguments or ["healthcheck"])


def pool_environment(lab: Lab, image: str) -> dict[str, str]:
    """The lab's environment, and what the pool is to be: the lab's engine, network and socket."""
    socket = Path(lab.docker_host.removeprefix("unix://"))
    return {
        **prefect.environment(lab),
        "DOCKER_HOST": lab.docker_host,
        "TT_DEPLOY_IMAGE": image,
        "TT_DOCKER_HOST": lab.docker_host,
        "TT_DOCKER_GROUP": str(socket.stat().st_gid),
        # Everything of the lab's listens on the loopback interface of this machine.
        "TT_DOCKER_NETWORK": "host",
    }


def contained(flows: Sequence[str]) -> dict[str, Any]:
    """A `prefect.yaml` of the lab's deployments of these flows, each switched to containers."""
    written = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    switched = [
        {**each, **written["definitions"]["in_docker"], "name": NAME, "triggers": []}
        for each in written["deployments"]
        if each["name"] == "lab" and each["entrypoint"].rpartition(":")[2] in flows
    ]
    return {"name": written["name"], "build": written["build"], "deployments": switched}


@contextmanager
def docker_worker(environment: Mapping[str, str]) -> Iterator[None]:
    """A worker of the pool for as long as this lasts."""
    command = [prefect.program("prefect"), "worker", "start", "--pool", WORK_POOL, "--name", NAME]
    with subprocess.Popen(command, env=environment, cwd=ROOT) as worker:
        try:
            yield
        finally:
            worker.terminate()
            worker.wait(timeout=60)


def follow(environment: Mapping[str, str], flow: str) -> int:
    """Run the deployment and follow it; its exit status."""
    command = [prefect.program("prefect"), "deployment", "run", f"{flow}/{NAME}", "--watch"]
    return subprocess.run(command, env=environment, cwd=ROOT, timeout=_COMMAND_SECONDS).returncode


def run(environment: Mapping[str, str], *command: str) -> None:
    """Run one of the product's commands; raises CalledProcessError if it fails."""
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=_COMMAND_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
