"""An environment: its form, its doors, and what loading it says."""

import logging

import pytest
from prefect.blocks.core import Block
from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from prefect_aws import AwsCredentials
from prefect_github import GitHubCredentials
from pydantic import SecretStr, ValidationError

from blocks.doppler import DopplerSecrets
from blocks.environment import Environment, load_environment
from delivery.errors import ConfigurationError
from tests.fake_environment import SECRETS, settings

WEBHOOK = "http://localhost:5013/services/T1/B1/secret-of-slack"


class TestEnvironment(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Environment]:
        return Environment

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's own test fetches the picture, and no test leaves this machine."""
        assert str(block._logo_url).startswith("https://")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Production"),
        ("name", "a--b"),
        ("name", ""),
        ("name", "a\n"),
        ("repository", "owner"),
        ("repository", "owner/name/more"),
        ("image", "ghcr.io/Owner/name"),
        ("image", "ghcr.io/owner/name:latest"),
        ("expected_hosts", 0),
        ("layout", {"clone": "relative"}),
        ("health", {"pases": 3}),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Environment(**settings(**{field: value}))
    assert caught.value.errors()[0]["loc"][0] == field


def test_a_takeover_that_could_not_end_in_time_is_refused_with_both_figures() -> None:
    """Else the command is cut off, and a good release goes back."""
    soak = {"rollout": {"soak_seconds": 900}}
    with pytest.raises(ValidationError, match=r"600 s, the rollout policy up to 1185 s"):
        Environment(**settings(**soak))
    assert Environment(**settings(**soak, timeouts={"start": 1200})).timeouts.start == 1200


def test_deploys_and_rollbacks_share_a_lock_of_the_environments_name() -> None:
    assert Environment(**settings(name="production")).lock == "deploy-production"


def test_the_code_comes_from_github_unless_the_environment_says_otherwise() -> None:
    usual = Environment(**settings(repository="tt/app"))
    assert usual.clone_url == "https://github.com/tt/app.git"
    assert usual.repository_url == "https://github.com/tt/app"
    lab = Environment(**settings(git_url="http://localhost:5011/tt/app.git"))
    assert lab.clone_url == "http://localhost:5011/tt/app.git"
    assert lab.repository_url == "http://localhost:5011/tt/app"


def test_a_github_block_without_a_token_comes_with_the_command_to_type() -> None:
    bare = Environment(**settings(github=GitHubCredentials()))
    with pytest.raises(ConfigurationError) as caught:
        bare.github_token()
    assert caught.value.next_command == "python -m deployments.register testing"


def test_an_aws_profile_that_is_not_there_is_a_configuration_error() -> None:
    lost = Environment(**settings(aws=AwsCredentials(profile_name="nobody")))
    with pytest.raises(ConfigurationError, match="ProfileNotFound"):
        lost.hosts_door()


def test_the_costly_door_to_aws_is_opened_once() -> None:
    environment = Environment(**settings())
    assert environment.hosts_door() is environment.hosts_door()
    assert environment.hosts_door() is not Environment(**settings()).hosts_door()


def test_no_secret_shows_in_an_environments_text() -> None:
    shown = repr(Environment(**settings())) + str(Environment(**settings()).model_dump())
    assert not [secret for secret in SECRETS.values() if secret in shown]


def test_a_webhook_that_is_not_at_slack_does_not_reach_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        Environment(**settings(slack=SlackWebhook(url=SecretStr(WEBHOOK))))
        logging.getLogger("apprise").error("Could not reach %s", WEBHOOK)
    assert "secret-of-slack" not in caplog.text
    assert "Could not reach http://localhost:5013/services/[redacted]" in caplog.text


def test_the_schema_that_is_remembered_is_the_one_that_prefect_makes() -> None:
    made = Block.model_json_schema.__func__  # type: ignore[attr-defined]
    for by_alias in (True, False):
        asked = Environment.model_json_schema(by_alias=by_alias)
        assert asked == made(Environment, by_alias=by_alias)
        asked.clear()
        assert Environment.model_json_schema(by_alias=by_alias)


# --- on a server ------------------------------------------------------------------------


@pytest.mark.prefect
def test_a_stored_environment_comes_back_with_its_doors() -> None:
    Environment(**settings(name="stored")).save("stored")
    loaded = load_environment("stored")
    assert loaded.github_token() == SECRETS["github"]
    assert isinstance(loaded.doppler, DopplerSecrets)
    assert loaded.health.passes == 3


@pytest.mark.prefect
def test_an_environment_that_is_not_registered_comes_with_the_command_to_type() -> None:
    with pytest.raises(ConfigurationError, match="'nowhere' is not registered") as caught:
        load_environment("nowhere")
    assert caught.value.next_command == "python -m deployments.register nowhere"
    assert caught.value.where.startswith("http")


@pytest.mark.prefect
def test_an_environment_of_another_form_is_registered_anew() -> None:
    Environment(**settings(name="older")).save("older")
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name("older", "tt-environment")
        broken = BlockDocumentUpdate(data={"image": "No Image"}, merge_existing_data=True)
        client.update_block_document(document.id, broken)
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        load_environment("older")
    assert caught.value.next_command == "python -m deployments.register older"
