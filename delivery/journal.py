"""What a deploy has learned so far: kept as it goes, so that a failure has a report too."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from delivery.checks import Check
from delivery.failure import Failure
from delivery.findings import Finding
from delivery.health import Health
from delivery.host_state import HostState
from delivery.image import Image
from delivery.redaction import redact
from delivery.released import Release
from delivery.report import Outcome, Report, StageTime
from delivery.restoration import Restoration
from delivery.rollout import Bundle, HostOutcome, Rollout, changed_services
from delivery.stack_plan import StackPlan


@dataclass(slots=True)
class Journal:
    """Collects the facts of one deploy; ``report`` turns them into the report.

    ``clock`` gives seconds that only grow (``time.monotonic``); ``started`` is aware.
    ``on_start`` is called once, as soon as it is known which release this is about.
    """

    environment: str
    actor: str
    reason: str
    started: datetime.datetime
    clock: Callable[[], float]
    run_url: str = ""
    version: str = ""
    revision: str = ""
    release_url: str = ""
    touched: bool = False
    image: Image | None = None
    previous_version: str = ""
    plans: tuple[StackPlan, ...] = ()
    rollout: Rollout | None = None
    fleet: tuple[str, ...] = ()
    stopped: tuple[HostOutcome, ...] = ()
    restored: Restoration | None = None
    freed: Mapping[str, int] = field(default_factory=dict)
    health: Health = field(default_factory=lambda: Health(()))
    checks: tuple[Check, ...] = ()
    failure: Failure | None = None
    error: Exception | None = None
    findings: tuple[Finding, ...] = ()
    stages: list[StageTime] = field(default_factory=list)
    on_start: Callable[["Journal"], None] | None = None
    _began: float = field(init=False)
    _failed: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage; a failure in it is remembered under its name and goes on."""
        began = self.clock()
        note = ""
        try:
            yield
        except Exception as error:
            note = "failed"
            if self.failure is None:
                self.failure = Failure.of(name, error)
            raise
        finally:
            self.stages.append(StageTime(name, self.clock() - began, note))

    @contextmanager
    def wave(self, hosts: Sequence[str]) -> Iterator[None]:
        """These hosts are about to be touched; a failure that stops it all is told of each."""
        try:
            yield
        except Exception as error:
            known = {each.host: each for each in getattr(error, "outcomes", ())}
            failure = Failure.of("", error).message
            self.stopped = tuple(
                known.get(name) or HostOutcome(name, (), "", failure=failure) for name in hosts
            )
            raise

    def fail(self, error: Exception) -> None:
        """Remember the failure that ended the deploy; what a stage said of it first is kept."""
        self.error = error
        if self.failure is None:
            self.failure = Failure.of("start", error)

    def note_hosts(self, states: Sequence[HostState]) -> None:
        """Remember which hosts there are and what they ran before."""
        self.fleet = tuple(state.host for state in states)
        self.previous_version = ", ".join(sorted({s.version for s in states if s.version}))

    def note_release(self, release: Release) -> None:
        """Remember which release this is about."""
        self.version = release.version
        self.revision = release.sha
        self.release_url = release.url
        self._start()

    def note_bundle(self, bundle: Bundle, image: Image) -> None:
        """Remember exactly what is to run."""
        self.version = bundle.version
        self.revision = bundle.revision
        self.image = image
        self._start()

    def _start(self) -> None:
        if self.on_start is not None:
            start, self.on_start = self.on_start, None
            start(self)

    def note_unhealthy(self) -> None:
        """Turn the first probe that did not hold into the failure to report."""
        probe = self.health.first_failure
        if probe is not None and self.failure is None:
            self.failure = Failure(
                "healthcheck",
                f"The probe '{probe.name}' did not hold: {redact(probe.detail)}",
                where=probe.host,
                next_command=f"python -m flows.healthcheck --environment {self.environment}",
            )

    @property
    def outcomes(self) -> Mapping[str, HostOutcome]:
        """What the rollout did so far, by host."""
        return {host.host: host for host in self.rollout.hosts} if self.rollout else {}

    @property
    def _all_hosts(self) -> tuple[HostOutcome, ...]:
        """What became of every host once any was touched, also of those that none came to."""
        told = (*self.outcomes.values(), *self.stopped)
        names = {host.host for host in told}
        left = [name for name in self.fleet if told and name not in names]
        return (*told, *(HostOutcome(name, (), "", touched=False) for name in left))

    def begin_way_back(self, ways: Mapping[str, Bundle | None]) -> None:
        """Time the way back from now on: the release has just been found not to hold.

        ``ways`` has every host that was touched, and None for one that has no way back.
        """
        self._failed = self.clock()
        self.restored = Restoration(ways, began=self._failed)

    @property
    def failed_at(self) -> float:
        """When the release was found not to hold, in seconds since 1970."""
        return self.started.timestamp() + self._failed - self._began

    def note_way_back(self, hosts: Sequence[HostOutcome]) -> None:
        """Remember what going back did on the hosts: their traffic is back."""
        if self.restored:
            seconds = self.clock() - self._failed
            self.restored = replace(self.restored, hosts=tuple(hosts), started_seconds=seconds)

    def note_restored(self) -> None:
        """Remember that what serves again has proved healthy."""
        if self.restored:
            seconds = self.clock() - self._failed
            self.restored = replace(self.restored, verified_seconds=seconds)

    def report(self, outcome: Outcome) -> Report:
        """The report as things stand."""
        return Report(
            outcome=outcome,
            environment=self.environment,
            actor=redact(self.actor),
            reason=redact(self.reason),
            started=self.started,
            duration_seconds=self.clock() - self._began,
            version=self.version,
            previous_version=self.previous_version,
            revision=self.revision,
            digest=self.image.digest if self.image else "",
            image=self.image.reference if self.image else "",
            release_url=self.release_url,
            run_url=self.run_url,
            plans=self.plans,
            restored=self.restored,
            freed=self.freed,
            changed=changed_services(self._all_hosts),
            hosts=self._all_hosts,
            stages=tuple(self.stages),
            health=self.health,
            failure=self.failure,
            findings=self.findings,
            checks=self.checks,
        )
