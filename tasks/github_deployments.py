"""Showing on GitHub where a commit runs: beside the pull request that it came from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.environment import Environment
from blocks.github_deployments import GitHubDeployments
from delivery.github_standing import Standing, begun, context_of, ended
from delivery.report import Report
from tasks.bounded import best_effort

_RETIRED_AT_MOST = 5

Answer = TypeVar("Answer")


@task(
    name="begin on github",
    task_run_name="GitHub: {version} is on its way",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def begin_on_github(target: Environment, sha: str, version: str, run_url: str) -> int | None:
    """Have a deployment in progress and the commit pending; the deployment's id.

    None, and a warning, if GitHub would not have it: a deploy never fails for that.
    """
    shown = _Shown(target, sha, begun(version, target.name), run_url)
    deployment = shown.create()
    shown.set_state(deployment)
    return deployment


@task(
    name="end on github",
    task_run_name="GitHub: {report.outcome}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def end_on_github(target: Environment, report: Report, deployment: int | None) -> None:
    """Say how it ended; a deployment that succeeded puts the ones before it out of use.

    Without a deployment (GitHub was away when it began) only the commit gets its status.
    """
    standing = ended(report)
    if standing is None:
        return
    shown = _Shown(target, report.revision, standing, report.run_url)
    shown.set_state(deployment)
    if deployment is not None and standing.deployment == "success":
        shown.retire_those_before(deployment)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What GitHub is to show of one deploy; each call by itself may fail and is a warning."""

    target: Environment
    sha: str
    standing: Standing
    run_url: str

    def create(self) -> int | None:
        return self._try(
            "a deployment on GitHub",
            lambda github: github.create(
                sha=self.sha,
                environment=self.target.name,
                description=self.standing.description,
                production=self.target.name == "production",
            ),
        )

    def set_state(self, deployment: int | None) -> None:
        if deployment is not None:
            self._try(
                "the deployment's state on GitHub",
                lambda github: github.set_state(
                    deployment,
                    self.standing.deployment,
                    description=self.standing.description,
                    log_url=self.run_url,
                    environment_url=self.target.notifications.application_url,
                ),
            )
        self._try(
            "the commit's status on GitHub",
            lambda github: github.set_commit_state(
                self.sha,
                self.standing.commit,
                context=context_of(self.target.name),
                description=self.standing.description,
                target_url=self.run_url,
            ),
        )

    def retire_those_before(self, deployment: int) -> None:
        """GitHub does this by itself, but not in an environment that is production."""

        def retire(github: GitHubDeployments) -> None:
            for older in github.before(deployment, self.target.name, at_most=_RETIRED_AT_MOST):
                if not github.is_over(older):
                    github.set_state(older, "inactive")

        self._try("older deployments on GitHub", retire)

    def _try(self, what: str, work: Callable[[GitHubDeployments], Answer]) -> Answer | None:
        def ask() -> Answer:
            github = self.target.deployments_door()
            try:
                return work(github)
            finally:
                github.close()

        return best_effort(what, ask)
