"""What GitHub shows of deploys: deployments with their statuses, and statuses of commits."""

from typing import Any

from blocks.github_api import GitHubApi, json_object, text_at
from delivery.errors import SourceUnavailable

_LONGEST_DESCRIPTION = 140
_ENDED = ("inactive", "failure", "error")


class GitHubDeployments:
    """The door to one repository's deployments; what calls may raise is said by ``GitHubApi``.

    The token needs *Deployments: write* and *Commit statuses: write*.
    """

    def __init__(self, api: GitHubApi) -> None:
        self._api = api

    def create(self, *, sha: str, environment: str, description: str, production: bool) -> int:
        """Announce a deployment of a commit; its id. GitHub merges and checks nothing for it."""
        fields = {
            "ref": sha,
            "environment": environment,
            "description": description[:_LONGEST_DESCRIPTION],
            "auto_merge": False,
            "required_contexts": [],
            "production_environment": production,
        }
        return _id(self._made("/deployments", fields))

    def set_state(
        self,
        deployment: int,
        state: str,
        *,
        description: str = "",
        log_url: str = "",
        environment_url: str = "",
    ) -> None:
        """Say how a deployment stands; those before it are left as they are."""
        fields = {
            "state": state,
            "description": description[:_LONGEST_DESCRIPTION],
            "log_url": log_url,
            "environment_url": environment_url,
            "auto_inactive": False,
        }
        self._made(f"/deployments/{deployment}/statuses", fields)

    def set_commit_state(
        self, sha: str, state: str, *, context: str, description: str, target_url: str
    ) -> None:
        """Say how a commit stands in one context, where pull requests show it."""
        fields = {
            "state": state,
            "context": context,
            "description": description[:_LONGEST_DESCRIPTION],
            **({"target_url": target_url} if target_url else {}),
        }
        self._made(f"/statuses/{sha}", fields)

    def before(self, deployment: int, environment: str, *, at_most: int) -> list[int]:
        """The deployments of the environment before this one, newest first."""
        listed = self._api.rows(f"/deployments?environment={environment}&per_page={at_most + 1}")
        return [number for each in listed if (number := _id(each)) < deployment]

    def is_over(self, deployment: int) -> bool:
        """Whether its last word is that it failed or is in use no more."""
        newest = self._api.rows(f"/deployments/{deployment}/statuses?per_page=1")
        return bool(newest) and text_at(newest[0], "state") in _ENDED

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _made(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        reply = self._api.ask("POST", path, json=fields)
        if reply.status_code != 201:
            raise self._api.refusal(reply)
        return json_object(reply)


def _id(fields: dict[str, Any]) -> int:
    try:
        return int(fields["id"])
    except (KeyError, TypeError, ValueError):
        raise SourceUnavailable("GitHub's answer does not read as a deployment.") from None
