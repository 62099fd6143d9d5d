"""A container registry's HTTP API (distribution-spec): what is there, by which digest."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from blocks.tls import trusted
from delivery.errors import RegistryError, RegistryUnavailable
from delivery.host_checks import ImageSight
from delivery.image import ImageRepository, is_digest

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image found in the registry: its digest and the labels of its configuration."""

    digest: str
    labels: dict[str, str]


class Registry:
    """The door to one repository of a registry.

    Loopback registries are spoken to without TLS, as Docker itself does.
    """

    def __init__(
        self,
        repository: ImageRepository,
        *,
        username: str,
        password: str,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._repository = repository
        self._credentials = (username, password)
        self._client = httpx.Client(
            base_url=repository.api_url,
            timeout=httpx.Timeout(20.0, connect=5.0),
            transport=transport,
            verify=trusted(),
            follow_redirects=True,
        )
        self._authorization: dict[str, str] = {}

    def find(self, tag: str) -> StoredImage | None:
        """The image that ``tag`` names now, None if there is none.

        For an index the labels are those of its first real platform.
        """
        reply = self._get(f"/manifests/{tag}", accept=_MANIFESTS)
        if reply.status_code == 404:
            return None
        manifest = _json(reply)
        digest = reply.headers.get("docker-content-digest", "")
        if not is_digest(digest):
            raise RegistryError("The registry names no digest.", where=str(reply.url))
        return StoredImage(digest, self._labels(manifest))

    def describe(self, tag: str) -> ImageSight | None:
        """How large the image of ``tag`` is and for which platform; None if there is none."""
        reply = self._get(f"/manifests/{tag}", accept=_MANIFESTS)
        if reply.status_code == 404:
            return None
        reference = f"{self._repository}@{reply.headers.get('docker-content-digest', '')}"
        manifest = self._of_one_platform(_json(reply))
        configuration = self._configuration(manifest)
        platform = "/".join(filter(None, map(configuration.get, ("os", "architecture"))))
        size = sum(int(layer.get("size", 0)) for layer in manifest.get("layers", []))
        return ImageSight(reference, size, platform)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _of_one_platform(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if "manifests" not in manifest:
            return manifest
        return _json(self._found(f"/manifests/{_first_platform(manifest)}", accept=_MANIFESTS))

    def _configuration(self, manifest: dict[str, Any]) -> dict[str, Any]:
        digest = manifest.get("config", {}).get("digest", "")
        return _json(self._found(f"/blobs/{digest}", accept="*/*")) if is_digest(digest) else {}

    def _labels(self, manifest: dict[str, Any]) -> dict[str, str]:
        configuration = self._configuration(self._of_one_platform(manifest))
        labels = configuration.get("config", {}).get("Labels") or {}
        return {str(name): str(value) for name, value in labels.items()}

    def _found(self, path: str, *, accept: str) -> httpx.Response:
        reply = self._get(path, accept=accept)
        if reply.status_code != 200:
            raise RegistryError(f"The registry lost a part ({reply.status_code}).", where=path)
        return reply

    def _get(self, path: str, *, accept: str) -> httpx.Response:
        reply = self._send(path, accept)
        if reply.status_code == 401:
            self._authorize(reply.headers.get("www-authenticate", ""))
            reply = self._send(path, accept)
        if reply.status_code >= 500 or reply.status_code == 429:
            raise RegistryUnavailable(
                f"The registry answered {reply.status_code}.", where=str(reply.url)
            )
        if reply.status_code not in (200, 404):
            raise RegistryError(
                f"The registry refused ({reply.status_code}).",
                where=str(reply.url),
                next_command="Check the registry block: the user, and a token with packages:write.",
            )
        return reply

    def _send(self, path: str, accept: str) -> httpx.Response:
        try:
            return self._client.get(path, headers={"Accept": accept, **self._authorization})
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                f"The registry did not answer: {type(error).__name__}.",
                where=str(self._repository),
            ) from None

    def _authorize(self, challenge: str) -> None:
        """Answer a Basic or Bearer challenge (distribution's token protocol)."""
        kind, _, rest = challenge.partition(" ")
        if kind.lower() != "bearer":
            encoded = httpx.BasicAuth(*self._credentials)
            request = next(encoded.auth_flow(httpx.Request("GET", "http://localhost")))
            self._authorization = {"Authorization": request.headers["Authorization"]}
            return
        fields = dict(_CHALLENGE.findall(rest))
        realm = fields.pop("realm", "")
        try:
            reply = self._client.get(realm, params=fields, auth=self._credentials)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RegistryUnavailable(
                f"The registry's token service did not answer: {type(error).__name__}.",
                where=realm,
            ) from None
        if reply.status_code >= 500 or reply.status_code == 429:
            raise RegistryUnavailable(
                f"The registry's token service answered {reply.status_code}.", where=realm
            )
        answer = _json(reply) if reply.status_code == 200 else {}
        if token := answer.get("token") or answer.get("access_token"):
            self._authorization = {"Authorization": f"Bearer {token}"}


def _first_platform(index: dict[str, Any]) -> str:
    for entry in index["manifests"]:
        if entry.get("platform", {}).get("os") != "unknown":
            return str(entry["digest"])
    raise RegistryError("The image index names no platform.")


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RegistryUnavailable("The registry's answer is not JSON.", where=str(reply.url))
    return body
