"""A bot for Slack: where its channel and its token come from."""

from typing import Any

import pytest

from delivery.errors import ConfigurationError
from deployments.credentials import Credentials
from deployments.environment_blocks import environment_blocks
from deployments.environment_file import EnvironmentFile

TOKEN = "xoxb-123456789012-" + "secretOfTheBot"
FILE: dict[str, Any] = {
    "repository": "tt/app",
    "image": "ghcr.io/tt/app",
    "tag_value": "TT-ec2-1",
    "aws": {"region": "ap-northeast-2"},
    "doppler": {"project": "tt", "config": "prd"},
}


def credentials(**more: str) -> Credentials:
    needed = ("GITHUB_TOKEN", "REGISTRY_USERNAME", "REGISTRY_PASSWORD", "DOPPLER_TOKEN")
    return Credentials.from_environment({**{f"TT_{name}": "x" for name in needed}, **more})


def test_with_a_token_the_files_channel_is_written_to() -> None:
    file = EnvironmentFile.of({**FILE, "slack_bot": {"channel": "C0TTDEPLOYS"}})
    blocks = environment_blocks("lab", file, credentials(TT_SLACK_BOT_TOKEN=f"{TOKEN}\n"))
    bot = blocks.environment(blocks.doors).slack_bot
    assert bot is not None
    assert (bot.channel, bot.api_url) == ("C0TTDEPLOYS", "https://slack.com/api")
    assert bot.token.get_secret_value() == TOKEN
    assert blocks.document("slack_bot") == "lab-slack-bot"


def test_a_token_without_a_channel_says_what_to_write() -> None:
    with pytest.raises(ConfigurationError) as refused:
        environment_blocks("lab", EnvironmentFile.of(FILE), credentials(TT_SLACK_BOT_TOKEN=TOKEN))
    assert "slack_bot: {channel:" in refused.value.next_command
    assert TOKEN not in str(refused.value)


def test_without_a_token_there_is_no_bot() -> None:
    blocks = environment_blocks("lab", EnvironmentFile.of(FILE), credentials())
    assert blocks.environment(blocks.doors).slack_bot is None
