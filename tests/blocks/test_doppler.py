"""Doppler's API: the names of secrets, never their values."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import SecretStr

from blocks.doppler import DopplerSecrets
from delivery.errors import SecretsError, SecretsUnavailable
from tests.fakes import Handler, LoopbackServer

Serve = Callable[[httpx.Response | Handler], DopplerSecrets]
TOKEN = "dp.st.prd.AbCdEfGhIjKlMnOp"


class TestDopplerSecrets(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[DopplerSecrets]:
        return DopplerSecrets

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's own test fetches the picture, and no test leaves this machine."""
        assert str(block._logo_url).startswith("https://")


@pytest.fixture
def asked() -> list[httpx.Request]:
    return []


@pytest.fixture
def serve(asked: list[httpx.Request]) -> Iterator[Serve]:
    """Starts a Doppler that gives one answer; the block that reads it."""
    servers: list[LoopbackServer] = []

    def start(answer: httpx.Response | Handler) -> DopplerSecrets:
        def reply(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return answer if isinstance(answer, httpx.Response) else answer(request)

        servers.append(LoopbackServer(reply).__enter__())
        return block_at(servers[-1].url)

    yield start
    for server in servers:
        server.__exit__()


def block_at(url: str) -> DopplerSecrets:
    return DopplerSecrets(
        project="tt", config="prd", service_token=SecretStr(TOKEN), api_url=url, timeout_seconds=30
    )


def names(*each: str) -> httpx.Response:
    return httpx.Response(200, json={"names": list(each)})


def test_the_names_of_the_config_are_read_with_the_token(
    serve: Serve, asked: list[httpx.Request]
) -> None:
    assert serve(names("GITHUB_TOKEN", "JWT_SECRET")).names() == {"GITHUB_TOKEN", "JWT_SECRET"}
    (request,) = asked
    assert request.url.path == "/v3/configs/config/secrets/names"
    assert dict(request.url.params) == {"project": "tt", "config": "prd"}
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_refusal_is_told_in_dopplers_words_without_the_token(serve: Serve) -> None:
    said = {"messages": [f"Invalid token {TOKEN}"], "success": False}
    with pytest.raises(SecretsError, match="Invalid token") as caught:
        serve(httpx.Response(401, json=said)).names()
    assert not isinstance(caught.value, SecretsUnavailable)
    assert TOKEN not in str(caught.value)
    assert "project tt, config prd" in caught.value.where


def test_a_refusal_without_words_is_still_told(serve: Serve) -> None:
    with pytest.raises(SecretsError, match=r"403.*no reason given"):
        serve(httpx.Response(403, text="<html>")).names()


@pytest.mark.parametrize("status", [429, 500, 502])
def test_a_doppler_in_trouble_is_transient(serve: Serve, status: int) -> None:
    with pytest.raises(SecretsUnavailable, match=str(status)):
        serve(httpx.Response(status)).names()


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"names": null}'])
def test_garbage_is_transient(serve: Serve, body: str) -> None:
    with pytest.raises(SecretsUnavailable):
        serve(httpx.Response(200, text=body)).names()


def test_a_doppler_that_drops_the_connection_is_transient(serve: Serve) -> None:
    def drop(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("dropped")

    with pytest.raises(SecretsUnavailable, match="did not answer"):
        serve(drop).names()


def test_a_doppler_that_is_away_is_transient() -> None:
    with LoopbackServer(lambda _request: names()) as server:
        url = server.url
    with pytest.raises(SecretsUnavailable, match="ConnectError"):
        block_at(url).names()


def test_the_token_does_not_show() -> None:
    assert TOKEN not in repr(block_at("http://127.0.0.1:1"))


def test_the_configs_tokens_are_listed_without_their_text(serve: Serve) -> None:
    rows = [
        {"slug": "a", "access": "read", "expires_at": "2026-12-01T00:00:00Z", "key": "x"},
        {},
        5,
    ]
    doppler = serve(httpx.Response(200, json={"tokens": rows}))
    first, second = doppler.tokens()
    assert (first.slug, first.access, first.expires) == ("a", "read", "2026-12-01T00:00:00Z")
    assert (second.slug, second.expires) == ("", "")


def test_a_token_that_may_not_list_tokens_is_refused(serve: Serve) -> None:
    with pytest.raises(SecretsError):
        serve(httpx.Response(403, json={"messages": ["no"]})).tokens()
