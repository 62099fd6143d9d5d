"""`python -m lab up`: brings up what is not up yet, and says how long each step took."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import boto3

from lab import prefect
from lab.engine import choose_engine
from lab.errors import LabError
from lab.images.build import Materials, build_missing, download, plan
from lab.images.deliver import deliver, forget_unused
from lab.instance import Instance, disk_bytes, image_store, start_forwards
from lab.lab import ROOT, Lab, lock_file
from lab.neighbours import choosing_ports
from lab.packages import locked
from lab.ports import answers
from lab.processes import wait_until
from lab.registry import PACKAGES as REGISTRY
from lab.registry import start_registries
from lab.services import github_seed
from lab.services.aws import launch
from lab.settings import LabSettings, default_cache, settings_file
from lab.steps import Step, run_steps

AGENT_SECONDS = 60
LONGEST_HOME = 60
"""Unix sockets lie up to 45 characters below the home; the kernel takes 107 in all."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `up`."""
    parser = subparsers.add_parser("up", help="bring up what is not up yet")
    parser.add_argument("--hosts", type=int, default=1, help="how many hosts there are to be")
    parser.add_argument("--bare", action="store_true", help="without Prefect")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Bring the lab up; twice is the same as once."""
    started = time.monotonic()
    with locked(lock_file(args.home)):
        settings = prepare(args.home, args.hosts)
        print(f"Lab {settings.name} in {settings.home}")
        run_steps(Up(Lab.of(settings), bare=args.bare).steps())
    settings = LabSettings.load(args.home)
    print(f"Up in {time.monotonic() - started:.1f} s.")
    print(f"  the application   {settings.hosts[0].app_url}   (after a deploy)")
    if not args.bare:
        print(f"  Prefect           {settings.url('prefect')}")
    print('  in your shell     eval "$(python -m lab env)"')
    return 0


def prepare(home: Path, hosts: int) -> LabSettings:
    """The settings of this home, made or extended as asked for."""
    # What these cannot be is refused before anything is made.
    image_store()
    disk_bytes()
    with choosing_ports(home, default_cache()) as promised:
        settings = _settings(home, hosts, frozenset(promised))
        if not settings.engine:
            settings = replace(settings, engine=choose_engine(os.environ))
        settings.save()
    return settings


def _settings(home: Path, hosts: int, promised: frozenset[int]) -> LabSettings:
    if settings_file(home).exists():
        return LabSettings.load(home).with_hosts(hosts, promised=promised)
    if home.exists() and any(home.iterdir()):
        raise LabError(f"{home} is not empty and holds no lab; set TT_LAB_HOME to another place")
    if len(str(home)) > LONGEST_HOME:
        raise LabError(f"{home} is too long a path for sockets; set TT_LAB_HOME to a shorter one")
    return LabSettings.create(home, hosts=hosts, promised=promised)


def online(settings: LabSettings) -> set[str]:
    """The instances whose agent reports to Systems Manager."""
    client = boto3.client(
        "ssm",
        endpoint_url=settings.url("aws"),
        region_name=settings.region,
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=settings.aws_secret_access_key,
    )
    found = client.describe_instance_information()["InstanceInformationList"]
    return {agent["InstanceId"] for agent in found if agent["PingStatus"] == "Online"}


class Up:
    """The steps of one `up`, and what they hand to each other."""

    def __init__(self, lab: Lab, *, bare: bool) -> None:
        self._lab = lab
        self._bare = bare
        self._materials: dict[str, Materials] = {}

    def steps(self) -> list[Step]:
        """Every step with what it needs; what does not need each other runs side by side."""
        steps = [
            Step("packages", self._packages),
            Step("repository", self._repository),
            Step("github", self._service("github"), needs=("repository",)),
            *(Step(name, self._service(name)) for name in ("aws", "doppler", "slack")),
            Step("engine", self._engine, needs=("packages",)),
            Step("registries", self._registries, needs=("packages",)),
            Step("images", self._images, needs=("engine", "registries")),
            Step("launch", self._launch, needs=("aws",)),
            Step("forwards", self._forwards),
            Step("hosts", self._hosts, needs=("images", "launch", "forwards")),
            Step("agents", self._agents, needs=("hosts",)),
            Step("clones", self._set_up, needs=("hosts", "github", "doppler")),
        ]
        return steps if self._bare else steps + self._prefect_steps()

    def _prefect_steps(self) -> list[Step]:
        return [
            Step("database", lambda: prefect.start_database(self._lab), needs=("packages",)),
            Step("prefect server", lambda: prefect.start_server(self._lab), needs=("database",)),
            Step("registration", lambda: prefect.register(self._lab), needs=("prefect server",)),
            Step(
                "worker",
                lambda: prefect.start_worker(self._lab),
                needs=("registration", "clones", "agents"),
            ),
        ]

    def _packages(self) -> None:
        self._materials = download(self._lab.packages, self._lab.cache, also=REGISTRY)
        self._lab.tools()

    def _repository(self) -> None:
        github_seed.seed(self._lab.settings)

    def _service(self, name: str) -> Callable[[], None]:
        def start() -> None:
            command = [sys.executable, "-m", f"lab.services.{name}", "--home"]
            processes, port = self._lab.processes, self._lab.settings.ports[name]
            processes.start(name, [*command, self._lab.settings.home], cwd=ROOT)
            processes.wait_ready(name, lambda: answers(port), deadline_seconds=180)

        return start

    def _engine(self) -> str:
        self._lab.start_engine()
        return self._lab.settings.engine

    def _registries(self) -> None:
        lab = self._lab
        start_registries(lab.settings, lab.processes, lab.cache, lab.packages)

    def _images(self) -> str:
        lab, store = self._lab, self._lab.cache / "images"
        engine, builds = lab.engine(), plan(self._materials, store)
        # Two labs share the archives: one of them builds, the other finds it built.
        with locked(store.with_suffix(".lock")):
            built = build_missing(engine, builds, self._materials)
            deliver(engine, lab.settings.url("mirror"), builds)
            forget_unused(store)
        if built and lab.private_engine():
            # What was built lies in an archive now, and nothing builds it again.
            engine.docker("buildx", "prune", "--all", "--force")
        return f"built {', '.join(built)}" if built else "nothing to build"

    def _launch(self) -> None:
        settings = self._lab.settings
        hosts = tuple(
            replace(host, instance_id=launch(settings, host.name)) for host in settings.hosts
        )
        settings = replace(settings, hosts=hosts)
        settings.save()
        self._lab = Lab.of(settings)

    def _forwards(self) -> None:
        start_forwards(self._lab.settings, self._lab.processes)

    def _hosts(self) -> str:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Instance.start, self._instances()))
        return ", ".join(host.name for host in self._lab.settings.hosts)

    def _set_up(self) -> None:
        for instance in self._instances():
            instance.set_up()

    def _agents(self) -> None:
        """Return once Systems Manager reaches every host: before, a command finds no instance."""
        hosts = {host.instance_id for host in self._lab.settings.hosts}
        if not wait_until(lambda: hosts <= online(self._lab.settings), AGENT_SECONDS):
            away = ", ".join(hosts - online(self._lab.settings))
            raise LabError(f"the agents of {away} do not report; see /var/log/ssm-agent.log there")

    def _instances(self) -> list[Instance]:
        engine, settings = self._lab.engine(), self._lab.settings
        return [Instance(engine, settings, host) for host in settings.hosts]
