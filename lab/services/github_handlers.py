"""What every group of GitHub's calls stands on."""

from __future__ import annotations

from collections.abc import Callable

from lab.services.github_git import GitRepository
from lab.services.github_shapes import Shapes
from lab.services.github_store import GitHubStore


class Handlers:
    """The repository, what GitHub knows beside it, its shapes, and the time as it writes it."""

    def __init__(
        self,
        repository: GitRepository,
        store: GitHubStore,
        shapes: Shapes,
        now: Callable[[], str],
    ) -> None:
        self._git = repository
        self._store = store
        self._shapes = shapes
        self._now = now
