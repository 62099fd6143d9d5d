"""A registry's HTTP API: what is there, and every way of not getting an answer."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import httpx
import pytest

from blocks.registry import Registry, StoredImage
from delivery.errors import RegistryError, RegistryUnavailable
from delivery.image import ImageRepository
from tests.fakes import LoopbackServer

Handler = Callable[[httpx.Request], httpx.Response]
BASIC = "Basic " + base64.b64encode(b"tt-lab:pw").decode()
LABELS = {"org.opencontainers.image.revision": "abc"}


def open_registry(handler: Handler, host: str = "ghcr.io") -> Registry:
    return Registry(
        ImageRepository.parse(f"{host}/tt-lab/tt-backend"),
        username="tt-lab",
        password="pw",
        transport=httpx.MockTransport(handler),
    )


def digest_of(document: object) -> str:
    return f"sha256:{sha256(json.dumps(document).encode()).hexdigest()}"


def stored(*documents: Any, tag: str = "v0.1.0") -> Handler:
    """A registry with these documents; the last one is what the tag names."""
    by_name = {digest_of(each): each for each in documents}

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        name = digest_of(documents[-1]) if name == tag else name
        if name not in by_name:
            return httpx.Response(404)
        text = json.dumps(by_name[name])
        return httpx.Response(200, headers={"Docker-Content-Digest": name}, content=text)

    return answer


CONFIGURATION = {"config": {"Labels": LABELS}}
MANIFEST = {"config": {"digest": digest_of(CONFIGURATION)}}
ATTESTATION = {"config": {"digest": "none"}}
INDEX = {
    "manifests": [
        {"digest": digest_of(ATTESTATION), "platform": {"os": "unknown"}},
        {"digest": digest_of(MANIFEST), "platform": {"os": "linux"}},
    ]
}


def test_an_image_is_found_with_its_digest_and_labels() -> None:
    door = open_registry(stored(CONFIGURATION, MANIFEST))
    assert door.find("v0.1.0") == StoredImage(digest_of(MANIFEST), LABELS)


def test_an_index_has_its_own_digest_and_the_labels_of_its_first_real_platform() -> None:
    door = open_registry(stored(CONFIGURATION, MANIFEST, ATTESTATION, INDEX))
    assert door.find("v0.1.0") == StoredImage(digest_of(INDEX), LABELS)


def test_a_tag_that_is_not_there_is_an_answer() -> None:
    assert open_registry(stored(CONFIGURATION, MANIFEST)).find("v9.9.9") is None


@pytest.mark.parametrize(
    "configuration", [{}, {"config": {}}, {"config": {"Labels": None}}], ids=str
)
def test_an_image_may_have_no_labels(configuration: dict[str, Any]) -> None:
    manifest = {"config": {"digest": digest_of(configuration)}}
    found = open_registry(stored(configuration, manifest)).find("v0.1.0")
    assert found == StoredImage(digest_of(manifest), {})


def test_an_image_without_a_configuration_has_no_labels() -> None:
    found = open_registry(stored({"layers": []})).find("v0.1.0")
    assert found == StoredImage(digest_of({"layers": []}), {})


def test_an_index_without_a_platform_is_an_error() -> None:
    index = {"manifests": [{"digest": "x", "platform": {"os": "unknown"}}]}
    with pytest.raises(RegistryError, match="no platform"):
        open_registry(stored(index)).find("v0.1.0")


def test_a_part_that_was_lost_is_an_error() -> None:
    with pytest.raises(RegistryError, match="lost a part"):
        open_registry(stored(MANIFEST)).find("v0.1.0")


def test_a_manifest_without_a_digest_is_an_error() -> None:
    with pytest.raises(RegistryError, match="names no digest"):
        open_registry(lambda _request: httpx.Response(200, json={})).find("v0.1.0")


# --- authentication ---------------------------------------------------------------------


def test_a_basic_challenge_is_answered_once_and_remembered() -> None:
    seen: list[str] = []
    images = stored(CONFIGURATION, MANIFEST)

    def guarded(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization", ""))
        if seen[-1] != BASIC:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
        return images(request)

    assert open_registry(guarded).find("v0.1.0") is not None
    assert seen == ["", BASIC, BASIC]


@pytest.mark.parametrize("field", ["token", "access_token"])
def test_a_bearer_challenge_is_answered_by_the_token_service(field: str) -> None:
    images = stored(CONFIGURATION, MANIFEST)
    challenge = (
        'Bearer realm="https://auth.example/token",service="ghcr.io",'
        'scope="repository:tt-lab/tt-backend:pull"'
    )

    def guarded(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example":
            assert request.headers["Authorization"] == BASIC
            assert request.url.params["service"] == "ghcr.io"
            assert request.url.params["scope"] == "repository:tt-lab/tt-backend:pull"
            return httpx.Response(200, json={field: "one-day"})
        if request.headers.get("Authorization") != "Bearer one-day":
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})
        return images(request)

    assert open_registry(guarded).find("v0.1.0") is not None


def token_service(answer: httpx.Response | Exception, realm: str = "https://auth.example/") -> Any:
    def guarded(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example":
            if isinstance(answer, Exception):
                raise answer
            return answer
        return httpx.Response(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})

    return guarded


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(503), httpx.Response(429), httpx.ConnectError("gone")],
    ids=["unavailable", "throttled", "away"],
)
def test_a_token_service_that_is_away_is_transient(answer: httpx.Response | Exception) -> None:
    with pytest.raises(RegistryUnavailable):
        open_registry(token_service(answer)).find("v0.1.0")


def test_an_address_of_the_token_service_that_is_none_is_not_asked() -> None:
    with pytest.raises(RegistryUnavailable):
        open_registry(token_service(httpx.Response(200), "https://[::1")).find("v0.1.0")


def test_credentials_that_are_refused_stay_refused() -> None:
    with pytest.raises(RegistryError, match="refused") as caught:
        open_registry(token_service(httpx.Response(401))).find("v0.1.0")
    assert not isinstance(caught.value, RegistryUnavailable)
    assert "packages:write" in caught.value.next_command


def test_the_password_does_not_follow_a_redirect_to_another_host() -> None:
    images = stored(CONFIGURATION, MANIFEST)
    elsewhere: list[httpx.Request] = []

    def redirecting(request: httpx.Request) -> httpx.Response:
        if request.url.host == "storage.example":
            elsewhere.append(request)
            return images(request)
        if request.headers.get("Authorization") != BASIC:
            return httpx.Response(401, headers={"WWW-Authenticate": "Basic"})
        if "/blobs/" in request.url.path:
            place = f"https://storage.example{request.url.path}"
            return httpx.Response(307, headers={"Location": place})
        return images(request)

    assert open_registry(redirecting).find("v0.1.0") == StoredImage(digest_of(MANIFEST), LABELS)
    assert [request.headers.get("Authorization") for request in elsewhere] == [None]


# --- a registry in trouble --------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_in_trouble_is_transient(status: int) -> None:
    with pytest.raises(RegistryUnavailable, match=str(status)):
        open_registry(lambda _request: httpx.Response(status)).find("v0.1.0")


@pytest.mark.parametrize("body", ["<html>", "[]", '"x"', ""])
def test_garbage_is_transient(body: str) -> None:
    with pytest.raises(RegistryUnavailable, match="not JSON"):
        open_registry(lambda _request: httpx.Response(200, text=body)).find("v0.1.0")


def test_any_other_refusal_stays() -> None:
    with pytest.raises(RegistryError, match="403") as caught:
        open_registry(lambda _request: httpx.Response(403)).find("v0.1.0")
    assert not isinstance(caught.value, RegistryUnavailable)


def test_loopback_is_spoken_to_without_tls_over_a_real_socket() -> None:
    with LoopbackServer(stored(CONFIGURATION, MANIFEST)) as server:
        name = ImageRepository.parse(f"{server.address}/tt-lab/tt-backend")
        door = Registry(name, username="tt-lab", password="pw")
        assert door.find("v0.1.0") == StoredImage(digest_of(MANIFEST), LABELS)
        door.close()
    away = Registry(name, username="tt-lab", password="pw")
    with pytest.raises(RegistryUnavailable, match="did not answer"):
        away.find("v0.1.0")


def test_any_other_registry_is_spoken_to_with_tls() -> None:
    asked: list[str] = []

    def note(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(404)

    assert open_registry(note, "localhost.example").find("v0.1.0") is None
    assert asked == ["https://localhost.example/v2/tt-lab/tt-backend/manifests/v0.1.0"]


def test_an_image_is_described_by_its_size_and_platform() -> None:
    configuration = {"os": "linux", "architecture": "amd64", "config": {}}
    manifest = {
        "config": {"digest": digest_of(configuration)},
        "layers": [{"size": 1000}, {"size": 234}],
    }
    index = {"manifests": [{"digest": digest_of(manifest), "platform": {"os": "linux"}}]}
    for documents in ((configuration, manifest), (configuration, manifest, index)):
        seen = open_registry(stored(*documents, tag="latest")).describe("latest")
        assert seen is not None
        assert (seen.compressed_bytes, seen.platform) == (1234, "linux/amd64")
        assert seen.reference == f"ghcr.io/tt-lab/tt-backend@{digest_of(documents[-1])}"


def test_what_is_not_there_is_not_described() -> None:
    assert open_registry(stored({"config": {}}, tag="v1")).describe("latest") is None
