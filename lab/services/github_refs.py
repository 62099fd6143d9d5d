"""References and tag objects: reading them, making them, moving them."""

from __future__ import annotations

from collections.abc import Callable

from lab.services.github_errors import GitHubError, not_found
from lab.services.github_front import Answer, Call
from lab.services.github_git import SHA, GitError, GitRef, GitRepository, Person
from lab.services.github_shapes import UNSIGNED, VIEWER, Shape, Shapes, node, person

NOTHING = "0" * 40
Moved = Callable[[str, str, str], None]


class Refs:
    """Handlers for `/git/refs` and `/git/tags`; `moved(ref, before, after)` hears of changes."""

    def __init__(
        self, repository: GitRepository, shapes: Shapes, moved: Moved, now: Callable[[], str]
    ) -> None:
        self._git = repository
        self._shapes = shapes
        self._moved = moved
        self._now = now

    def get(self, call: Call) -> Answer:
        """One reference, by `heads/NAME` or `tags/NAME`."""
        ref = self._git.ref(f"refs/{call.params['ref']}")
        if ref is None:
            raise not_found()
        return Answer(self._shapes.ref(ref))

    def matching(self, call: Call) -> Answer:
        """Every reference that starts so; none is an empty list."""
        found = self._git.refs(f"refs/{call.params['ref']}")
        return Answer([self._shapes.ref(ref) for ref in found])

    def create(self, call: Call) -> Answer:
        """A new reference to an object that exists."""
        name, sha = call.want("ref"), self._object(call)
        if not name.startswith("refs/") or name.count("/") < 2:
            raise GitHubError(
                422, "Reference name must start with 'refs/' and have at least two slashes."
            )
        if not self._git.is_valid_name(name):
            raise GitHubError(422, f"{name} is not a valid ref name.")
        if self._git.ref(name):
            raise GitHubError(422, "Reference already exists")
        try:
            self._git.update_ref(name, sha, expected=NOTHING)
        except GitError as error:
            # Another request made it meanwhile, or it lies below an existing one.
            if self._git.ref(name):
                raise GitHubError(422, "Reference already exists") from error
            raise GitHubError(422, "Reference update failed") from error
        self._moved(name, NOTHING, sha)
        return Answer(self._shapes.ref(self._existing(name)), 201)

    def update(self, call: Call) -> Answer:
        """Move a reference, forward only unless forced."""
        ref = self._existing(f"refs/{call.params['ref']}")
        sha = self._object(call)
        if not call.get("force", bool, False) and not self._git.is_ancestor(ref.commit, sha):
            raise GitHubError(422, "Update is not a fast forward")
        self._git.update_ref(ref.name, sha)
        self._moved(ref.name, ref.sha, sha)
        return Answer(self._shapes.ref(self._existing(ref.name)))

    def delete(self, call: Call) -> Answer:
        """Take a reference away."""
        ref = self._existing(f"refs/{call.params['ref']}")
        self._git.delete_ref(ref.name)
        self._moved(ref.name, ref.sha, NOTHING)
        return Answer(status=204)

    def create_tag(self, call: Call) -> Answer:
        """A tag object; it needs a reference of its own to be seen."""
        tag, message = call.want("tag"), call.want("message")
        target, kind = call.want("object"), call.want("type")
        if self._git.kind(target) != kind:
            raise GitHubError(422, "Object does not exist or is of another type")
        given = call.get("tagger", dict) or {}
        tagger = Person(
            given.get("name", VIEWER),
            given.get("email", f"{VIEWER}@users.example"),
            given.get("date", self._now()),
        )
        try:
            sha = self._git.make_tag(tag, message, target, kind, tagger)
        except GitError as error:
            raise GitHubError(422, f"Could not create tag object: {error}") from error
        return Answer(self._tag_shape(sha), 201)

    def get_tag(self, call: Call) -> Answer:
        """A tag object."""
        if self._git.kind(call.params["sha"]) != "tag":
            raise not_found()
        return Answer(self._tag_shape(call.params["sha"]))

    def _object(self, call: Call) -> str:
        sha: str = call.want("sha")
        if not SHA.fullmatch(sha):
            raise GitHubError(
                422,
                "The sha parameter must be exactly 40 characters and contain only [0-9a-f].",
            )
        if self._git.kind(sha) is None:
            raise GitHubError(422, "Object does not exist")
        return sha

    def _existing(self, name: str) -> GitRef:
        ref = self._git.ref(name)
        if ref is None:
            raise GitHubError(422, "Reference does not exist")
        return ref

    def _tag_shape(self, sha: str) -> Shape:
        target, kind, tag, tagger, message = self._git.read_tag(sha)
        return {
            "node_id": node("Tag", sha),
            "tag": tag,
            "sha": sha,
            "url": f"{self._shapes.api}/git/tags/{sha}",
            "message": message,
            "tagger": person(tagger),
            "object": {
                "type": kind,
                "sha": target,
                "url": f"{self._shapes.api}/git/{kind}s/{target}",
            },
            "verification": UNSIGNED,
        }
