"""The lab's commands that ask the stand-ins, as a person types them."""

from __future__ import annotations

import json

import httpx
import pytest

from lab.__main__ import main
from lab.inspect import outcome
from lab.settings import LabSettings
from tests.lab.services.conftest import github_of, process_of


def test_commit_prints_the_sha_that_is_now_the_branchs_head(
    settings: LabSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    with github_of(settings) as github:
        words = ["commit", "--type", "fix", "--behaviour", "slow-start=30"]
        assert main(["--home", str(settings.home), *words]) == 0
        told = capsys.readouterr().out.split()[-1]
        head = github.get("/repos/tt-lab/tt-backend/commits/develop").json()
    assert head["sha"] == told
    assert head["commit"]["message"] == "fix: let the application be slow-start=30"


def test_a_commit_without_a_github_says_why_and_fails(
    settings: LabSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(settings.home), "commit"]) == 1
    assert "could not push" in capsys.readouterr().err


def test_slack_messages_are_shown_a_line_each_or_whole(
    settings: LabSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--home", str(settings.home), "slack", "messages"]
    with process_of(settings, "slack"):
        url = f"http://127.0.0.1:{settings.ports['slack']}"
        httpx.post(url + settings.slack_path, json={"text": "배포 끝"}, timeout=30, trust_env=False)
        assert main(arguments) == 0
        assert capsys.readouterr().out.rstrip().endswith("배포 끝")
        assert main([*arguments, "--json"]) == 0
    [message] = json.loads(capsys.readouterr().out)["messages"]
    assert message["payload"] == {"text": "배포 끝"}


def test_an_empty_history_is_no_error(
    settings: LabSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    with process_of(settings, "aws"):
        assert main(["--home", str(settings.home), "ssm", "history", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"commands": []}


def test_a_service_that_is_down_is_named(
    settings: LabSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(settings.home), "ssm", "history"]) == 1
    assert "aws does not answer" in capsys.readouterr().err


def test_an_invocation_is_told_in_a_line() -> None:
    invocation = {
        "InstanceId": "i-1",
        "StatusDetails": "Failed",
        "ResponseCode": 3,
        "ExecutionElapsedTime": "PT1.234S",
        "StandardOutputContent": "first\nlast\n",
        "StandardErrorContent": "",
    }
    assert outcome(invocation) == "i-1  Failed  exit 3  1.2 s  last"
    waiting = {**invocation, "ResponseCode": -1, "StatusDetails": "Pending"}
    waiting |= {"ExecutionElapsedTime": "", "StandardOutputContent": ""}
    assert outcome(waiting) == "i-1  Pending"
