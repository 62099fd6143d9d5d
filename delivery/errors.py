"""Everything that can go wrong, as one tree.

    DeliveryError
    ├── BadRequest              what was asked for makes no sense; nothing was touched
    ├── ConfigurationError      an environment, block or file says something impossible
    ├── Refused                 the world forbids it now (a newer deploy, a held lock, ...)
    ├── SourceError             git and GitHub
    │   ├── RevisionNotFound
    │   ├── TagConflict         the tag exists, on another commit
    │   ├── AccessDenied        the token may not do this
    │   ├── RateLimited         GitHub wants to be left alone for longer than we wait
    │   └── SourceUnavailable   (transient)
    ├── BuildError              the image did not build or push
    │   └── BuildInterrupted    for what may pass (transient)
    ├── RegistryError
    │   └── RegistryUnavailable (transient)
    ├── SecretsError            Doppler
    │   └── SecretsUnavailable  (transient)
    ├── PrefectUnavailable      (transient)
    ├── ChannelError            Slack did not take an announcement
    └── HostError
        ├── HostNotFound        none, or not the expected number
        ├── HostUnreachable     SSM did not deliver (transient)
        ├── HostScriptFailed    it ran and failed; ``last_words`` has its output
        │   └── HostScriptInterrupted   it failed for what may pass (transient)
        ├── HostTimedOut        it ran longer than it may
        └── HostAnswerMalformed it ended without a result line that we can read

An unhealthy service is not in this tree: that is a value (``delivery.health``).
Decide on the class, never on message text.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from delivery.rollout import HostOutcome


class DeliveryError(Exception):
    """A delivery could not go on: what failed, where, and what to type next.

    ``message`` is one sentence. ``where`` names the place (a host, a URL, a file),
    ``last_words`` is what the world last said (already free of secrets), and
    ``next_command`` a command that an operator can paste.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        last_words: str = "",
        next_command: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.last_words = last_words
        self.next_command = next_command

    def __str__(self) -> str:
        parts = [self.message]
        if self.where:
            parts.append(f"Where: {self.where}")
        if self.last_words:
            parts.append(f"Last words:\n{self.last_words.rstrip()}")
        if self.next_command:
            parts.append(f"Next: {self.next_command}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the keyword arguments (Prefect moves exceptions between processes)."""
        return (
            _rebuild,
            (type(self), self.message, self.where, self.last_words, self.next_command),
        )


def _rebuild(
    kind: type[DeliveryError], message: str, where: str, last_words: str, next_command: str
) -> DeliveryError:
    return kind(message, where=where, last_words=last_words, next_command=next_command)


class TransientError(DeliveryError):
    """Mixed into errors that may pass by themselves: worth another try."""


class BadRequest(DeliveryError):
    """What was asked for makes no sense; nothing was touched."""


class ConfigurationError(DeliveryError):
    """An environment, a block or a file says something impossible."""


class Refused(DeliveryError):
    """The state of the world forbids it now; nothing was touched."""


REFUSALS = (BadRequest, ConfigurationError, Refused)
"""What asking again would not change; nothing was touched."""


class SourceError(DeliveryError):
    """git or GitHub would not do what was asked."""


class RevisionNotFound(SourceError):
    """No such commit, branch or tag in the application's repository."""


class TagConflict(SourceError):
    """The tag exists and names another commit."""


class AccessDenied(SourceError):
    """The credentials are wrong or lack a right."""


class RateLimited(SourceError):
    """GitHub wants to be left alone for longer than a run waits; asking sooner makes it worse."""


class SourceUnavailable(SourceError, TransientError):
    """git or GitHub did not answer, or asked us to come back later."""


class BuildError(DeliveryError):
    """The image did not build, or did not reach the registry."""


class BuildInterrupted(BuildError, TransientError):
    """The build or the push broke off for a reason that may pass: a registry away, a lost line."""


class RegistryError(DeliveryError):
    """The container registry refused."""


class RegistryUnavailable(RegistryError, TransientError):
    """The container registry did not answer."""


class SecretsError(DeliveryError):
    """Doppler refused."""


class SecretsUnavailable(SecretsError, TransientError):
    """Doppler did not answer."""


class PrefectUnavailable(TransientError):
    """The Prefect server did not answer, or did not do what it was asked for."""


class ChannelError(DeliveryError):
    """A channel did not take an announcement; no deploy fails by it."""


class HostError(DeliveryError):
    """Something about a host; ``outcomes`` has what became of all that were touched with it."""

    outcomes: tuple["HostOutcome", ...] = ()

    def among(self, outcomes: Sequence["HostOutcome"]) -> Self:
        """The same error, with what became of the hosts beside the one that it is about."""
        self.outcomes = tuple(outcomes)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the outcomes too."""
        return (*super().__reduce__(), {"outcomes": self.outcomes})


class HostNotFound(HostError):
    """No running instance, or not as many as the environment expects."""


class HostUnreachable(HostError, TransientError):
    """Systems Manager could not deliver the command to the host."""


class HostScriptFailed(HostError):
    """The script ran on the host and failed."""


class HostScriptInterrupted(HostScriptFailed, TransientError):
    """The script failed for a reason that may pass by itself: a registry away, a busy API."""


class HostTimedOut(HostError):
    """The script ran on the host for longer than it may."""


class HostAnswerMalformed(HostError):
    """The script ended without a result line that we can read."""
