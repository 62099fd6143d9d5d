"""Container images: names, digests and the annotations that we put on them."""

import datetime
import re
from dataclasses import dataclass

from delivery.errors import BadRequest

# The grammar of distribution/reference, as far as we use it.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(
    rf"(?P<registry>[A-Za-z0-9.-]+(?::\d+)?)/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageRepository:
    """Where an application's images live: ``ghcr.io`` and ``owner/name``."""

    registry: str
    path: str

    @classmethod
    def parse(cls, text: str) -> "ImageRepository":
        """Read ``registry/owner/name``; BadRequest if it is not one (or has a tag)."""
        match = _REPOSITORY.fullmatch(text)
        if not match or not _is_registry(match["registry"]):
            raise BadRequest(
                f"{text!r} is not an image repository.",
                next_command="Write it as registry/owner/name in lower case, without a tag.",
            )
        return cls(match["registry"], match["path"])

    @property
    def api_url(self) -> str:
        """The repository in the registry's API; on loopback without TLS, as Docker itself does."""
        local = self.registry.split(":")[0] in ("localhost", "127.0.0.1")
        return f"{'http' if local else 'https'}://{self.registry}/v2/{self.path}"

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


def _is_registry(host: str) -> bool:
    """Docker's rule: without a dot or a port it would be a name on Docker Hub."""
    return host == "localhost" or "." in host or ":" in host


@dataclass(frozen=True, slots=True)
class Image:
    """One image in a registry, known by its digest; ``tag`` is how people call it."""

    repository: str
    tag: str
    digest: str
    built: bool = False

    @property
    def reference(self) -> str:
        """What a host pulls: it can never come to mean another image."""
        return f"{self.repository}@{self.digest}"


def page_of(reference: str) -> str:
    """Where a person can look at an image that is named by digest; empty for anything else.

    GHCR leads from the image's own address to its page; of other registries it is the manifest.
    """
    name, _, digest = reference.partition("@")
    try:
        repository = ImageRepository.parse(name)
    except BadRequest:
        return ""
    if not is_digest(digest):
        return ""
    if repository.registry == "ghcr.io":
        return f"https://{reference}"
    return f"{repository.api_url}/manifests/{digest}"


def image_tag(tag: str) -> str:
    """``tag`` as an image tag; BadRequest where a git tag cannot be one (``v1+build``)."""
    if not _TAG.fullmatch(tag):
        raise BadRequest(
            f"The release tag {tag!r} cannot be an image tag.",
            next_command="Choose a tag prefix of letters, digits, dots, dashes and underscores.",
        )
    return tag


def is_digest(text: str) -> bool:
    """Whether ``text`` is a SHA-256 digest as a registry writes it."""
    return _DIGEST.fullmatch(text) is not None


def annotations(
    *, version: str, revision: str, source: str, created: datetime.datetime
) -> dict[str, str]:
    """The OCI annotations of an image (opencontainers/image-spec, annotations.md)."""
    return {
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.source": source,
        "org.opencontainers.image.created": created.astimezone(datetime.UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
    }
