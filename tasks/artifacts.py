"""What a person finds on the run's Artifacts page."""

from collections.abc import Mapping, Sequence

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from delivery.checks import Check, checks_section, worst
from delivery.health import Health
from delivery.host_state import RunningContainer
from delivery.host_steps import HostStep
from delivery.image import Image, page_of
from delivery.markdown import code, code_link, table
from delivery.mending import Diagnosis
from delivery.report import Report, health_section


@task(name="publish report", task_run_name="report: {report.outcome}", cache_policy=NO_CACHE)
def publish_report(report: Report) -> None:
    """The one page of a deploy; its key gathers an environment's deploys over time."""
    create_markdown_artifact(
        report.as_markdown(),
        key=f"deploy-{report.environment}",
        description=f"{report.outcome}: {report.headline}",
    )
    get_run_logger().info("%s: %s", report.outcome, report.headline)


def publish_release_notes(environment: str, notes: str, *, tag: str) -> None:
    """The notes of the release, as GitHub shows them."""
    create_markdown_artifact(
        notes, key=f"release-notes-{environment}", description=f"Release notes of {tag}"
    )


def publish_image(environment: str, image: Image, *, seconds: float) -> None:
    """Which image a release is, by digest, and whether it had to be built."""
    rows = [
        ("Repository", code(image.repository)),
        ("Tag", code(image.tag)),
        ("Digest", code_link(page_of(image.reference), image.digest)),
        ("Built", f"in {seconds:.1f} s" if image.built else "earlier; found in the registry"),
        ("Pull", code(f"docker pull {image.reference}")),
    ]
    create_markdown_artifact(
        "# Image\n\n" + table(("", ""), rows) + "\n",
        key=f"image-{environment}",
        description=f"Image of {image.tag}",
    )


def publish_health(environment: str, health: Health) -> None:
    """The verdict and what each probe saw."""
    create_markdown_artifact(
        health_section(health) + "\n",
        key=f"health-{environment}",
        description=f"Health of {environment}: {health.verdict}",
    )


def publish_checks(what: str, environment: str, checks: Sequence[Check]) -> None:
    """The table of a ``preflight``, a ``drift`` or a ``verify``: failed checks first."""
    create_markdown_artifact(
        (checks_section(what.title(), checks) or f"## {what.title()}: nothing was checked") + "\n",
        key=f"{what}-{environment}",
        description=f"{what.title()} of {environment}: {worst(checks)}",
    )


def publish_diagnosis(environment: str, diagnosis: Diagnosis) -> None:
    """Causes with their evidence and remedies, and what was done about them."""
    create_markdown_artifact(
        diagnosis.as_markdown(),
        key=f"diagnosis-{environment}",
        description=f"{diagnosis.outcome}: {diagnosis.headline}",
    )


def publish_steps(environment: str, steps: Sequence[HostStep]) -> None:
    """Every script that ran on a host, in the order in which they ended."""
    failed = sum(step.ended == "failed" for step in steps)
    create_table_artifact(
        [step.row(environment) for step in steps],
        key=f"steps-{environment}",
        description=f"What ran on the hosts of {environment}: {len(steps)} steps, {failed} failed",
    )


def publish_containers(
    environment: str, containers: Mapping[str, Sequence[RunningContainer]]
) -> None:
    """``docker compose ps --all`` of every host."""
    rows = [
        {
            "host": host,
            "service": each.service,
            "state": each.state,
            "health": each.health,
            "exit code": each.exit_code if each.state == "exited" else "",
            "image": each.image,
            "started": each.started[:19],
        }
        for host, listed in containers.items()
        for each in sorted(listed, key=lambda one: one.service)
    ]
    create_table_artifact(
        rows, key=f"containers-{environment}", description=f"Containers of {environment}"
    )
