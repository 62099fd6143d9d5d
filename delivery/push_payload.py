"""GitHub's ``push`` webhook: the part of its payload that decides, read once."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from delivery.errors import BadRequest
from delivery.trigger import Push, PushedCommit

_Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
_Path = Annotated[str, StringConstraints(max_length=4096)]


class _TheirFormat(BaseModel):
    """GitHub adds fields as it likes; types are not guessed."""

    # Built at first use: importing delivery must stay cheap.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, defer_build=True)


class _Commit(_TheirFormat):
    id: _Sha
    added: list[_Path] = []
    removed: list[_Path] = []
    modified: list[_Path] = []

    def as_pushed(self) -> PushedCommit:
        return PushedCommit(self.id, (*self.added, *self.removed, *self.modified))


class _Repository(_TheirFormat):
    full_name: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$", max_length=200)]


class _Person(_TheirFormat):
    name: Annotated[str, StringConstraints(max_length=300)] = ""


class _Payload(_TheirFormat):
    ref: Annotated[str, StringConstraints(pattern=r"^refs/.", max_length=500)]
    before: _Sha
    after: _Sha
    forced: bool = False
    repository: _Repository
    pusher: _Person = _Person()
    commits: list[_Commit] = Field(default=[], max_length=5000)


def read_push(body: bytes) -> Push:
    """The push that a payload tells of; BadRequest, free of the payload's text, if none."""
    try:
        said = _Payload.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise BadRequest(f"This is no push payload: {place}: {first['type']}.") from None
    return Push(
        repository=said.repository.full_name,
        ref=said.ref,
        before=said.before,
        after=said.after,
        forced=said.forced,
        actor=said.pusher.name,
        commits=tuple(commit.as_pushed() for commit in said.commits),
    )
