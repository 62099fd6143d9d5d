"""An image in a file, as `docker buildx` writes it: a tar of an OCI image layout."""

from __future__ import annotations

import json
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class ImageArchive:
    """Reads an archive and pushes it to a registry, without an engine in between."""

    def __init__(self, file: Path) -> None:
        self._tar = tarfile.open(file)  # noqa: SIM115  # closed by __exit__
        self.digest: str = self._json("index.json")["manifests"][0]["digest"]
        """Of the image's manifest."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tar.close()

    def push(self, registry: str, repository: str, tag: str) -> None:
        """Push the image to a registry without a password, unless it is there."""
        base = f"{registry}/v2/{repository}"
        if content_digest(f"{base}/manifests/{tag}") == self.digest:
            return
        manifest = self._json(self._blob(self.digest))
        for part in (manifest["config"], *manifest["layers"]):
            if content_digest(f"{base}/blobs/{part['digest']}") is None:
                self._push_blob(base, part["digest"], part["size"])
        raw = self._open(self._blob(self.digest)).read()
        send("PUT", f"{base}/manifests/{tag}", raw, {"Content-Type": MANIFEST})

    def _push_blob(self, base: str, digest: str, size: int) -> None:
        start = send("POST", f"{base}/blobs/uploads/", b"", {})
        place = urllib.parse.urljoin(f"{base}/blobs/uploads/", start["Location"])
        query = ("&" if "?" in place else "?") + urllib.parse.urlencode({"digest": digest})
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        send("PUT", place + query, self._open(self._blob(digest)), headers)

    def _blob(self, digest: str) -> str:
        return "blobs/" + digest.replace(":", "/")

    def _json(self, member: str) -> Any:
        return json.load(self._open(member))

    def _open(self, member: str) -> IO[bytes]:
        content = self._tar.extractfile(member)
        if content is None:
            raise KeyError(member)
        return content


def content_digest(url: str) -> str | None:
    """The digest of what a registry holds at this address; None if it holds nothing."""
    try:
        return str(send("HEAD", url, None, {"Accept": MANIFEST})["Docker-Content-Digest"])
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


def send(method: str, url: str, body: bytes | IO[bytes] | None, headers: dict[str, str]) -> Any:
    """The headers of the answer; raises HTTPError unless it is a success."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # as above
        return answer.headers
