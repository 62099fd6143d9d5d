"""Secrets come by the process environment."""

import pytest

from delivery.errors import ConfigurationError
from deployments.credentials import Credentials

NEEDED = {
    "TT_GITHUB_TOKEN": "secret-1",
    "TT_REGISTRY_USERNAME": "tt-bot",
    "TT_REGISTRY_PASSWORD": "secret-2",
    "TT_DOPPLER_TOKEN": "secret-3",
}
AWS = {"AWS_ACCESS_KEY_ID": "secret-4", "AWS_SECRET_ACCESS_KEY": "secret-5"}


def test_the_needed_ones_are_enough() -> None:
    read = Credentials.from_environment(NEEDED)
    assert (read.github_token, read.registry_username) == ("secret-1", "tt-bot")
    assert (read.registry_password, read.doppler_token) == ("secret-2", "secret-3")
    assert (read.slack_webhook_url, read.aws_access_key_id) == ("", "")


def test_all_that_are_missing_are_named_at_once() -> None:
    given = {"TT_GITHUB_TOKEN": "x", "TT_REGISTRY_PASSWORD": "", "TT_DOPPLER_TOKEN": " "}
    with pytest.raises(ConfigurationError) as caught:
        Credentials.from_environment(given)
    for name in ("TT_REGISTRY_USERNAME", "TT_REGISTRY_PASSWORD", "TT_DOPPLER_TOKEN"):
        assert name in caught.value.message
    assert "TT_GITHUB_TOKEN" not in caught.value.message


def test_the_optional_ones_are_read() -> None:
    read = Credentials.from_environment({**NEEDED, **AWS, "TT_SLACK_WEBHOOK_URL": "https://s"})
    assert (read.aws_access_key_id, read.aws_secret_access_key) == ("secret-4", "secret-5")
    assert read.slack_webhook_url == "https://s"


def test_a_line_end_at_the_end_is_no_part_of_a_secret() -> None:
    read = Credentials.from_environment({**NEEDED, "TT_DOPPLER_TOKEN": "secret-3\r\n"})
    assert read.doppler_token == "secret-3"


@pytest.mark.parametrize("name", AWS)
def test_half_an_aws_key_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="belong together"):
        Credentials.from_environment({**NEEDED, name: "x"})


def test_temporary_aws_credentials_are_not_stored() -> None:
    with pytest.raises(ConfigurationError, match="temporary"):
        Credentials.from_environment({**NEEDED, **AWS, "AWS_SESSION_TOKEN": "x"})


def test_no_secret_shows() -> None:
    read = Credentials.from_environment({**NEEDED, **AWS, "TT_SLACK_WEBHOOK_URL": "secret-6"})
    assert "secret-" not in repr(read)
