"""The lab's AWS as boto3 sees it, with an agent that runs as a plain process here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from lab.services.aws import build, launch
from lab.settings import LabSettings
from tests.lab.services.conftest import process_of, served
from tests.lab_settings import settings_in

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import GetCommandInvocationResultTypeDef
    from mypy_boto3_sts import STSClient

AGENT = Path(__file__).parents[3] / "lab" / "agent" / "ssm_agent.py"
OPEN = {"Pending", "InProgress", "Cancelling"}
ONE_TRY = Config(retries={"total_max_attempts": 1, "mode": "standard"})


@dataclass
class Cloud:
    """One lab's AWS with one instance, whose agent the test starts and kills."""

    settings: LabSettings
    instance_id: str
    agent: subprocess.Popen[bytes] | None = None

    def client(self, service: Any, key: str = "") -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.settings.ports['aws']}",
            region_name="ap-northeast-2",
            aws_access_key_id=key or self.settings.aws_access_key_id,
            aws_secret_access_key=self.settings.aws_secret_access_key,
            config=ONE_TRY,
        )

    @property
    def ssm(self) -> SSMClient:
        client: SSMClient = self.client("ssm")
        return client

    @property
    def ec2(self) -> EC2Client:
        client: EC2Client = self.client("ec2")
        return client

    @property
    def root(self) -> Path:
        return self.settings.home / "instance" / self.instance_id

    def start_agent(self) -> None:
        options = ["--endpoint", f"http://localhost:{self.settings.ports['aws']}"]
        options += ["--instance-id", self.instance_id, "--root", str(self.root.parent)]
        options += ["--ping-seconds", "0.2"]
        self.agent = subprocess.Popen([sys.executable, str(AGENT), *options])
        wait_for(lambda: bool(self.ssm.describe_instance_information()["InstanceInformationList"]))

    def kill_agent(self) -> None:
        if self.agent:
            self.agent.kill()
            self.agent.wait(60)

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_agent()

    def lab(self, method: str, path: str, **body: Any) -> Any:
        url = f"http://127.0.0.1:{self.settings.ports['aws']}/_lab/{path}"
        return httpx.request(method, url, json=body or None, timeout=30, trust_env=False).json()

    def send(self, *lines: str, timeout: int = 60, **options: Any) -> str:
        options.setdefault("InstanceIds", [self.instance_id])
        sent = self.ssm.send_command(
            DocumentName="AWS-RunShellScript",
            Parameters={"commands": list(lines), "executionTimeout": [str(timeout)]},
            **options,
        )
        return sent["Command"]["CommandId"]

    def look(self, command_id: str) -> GetCommandInvocationResultTypeDef:
        return self.ssm.get_command_invocation(CommandId=command_id, InstanceId=self.instance_id)

    def wait(self, command_id: str) -> GetCommandInvocationResultTypeDef:
        wait_for(lambda: bool(self.listed(command_id)))
        wait_for(lambda: self.listed(command_id)[0]["Status"] not in OPEN)
        return self.look(command_id)

    def listed(self, command_id: str) -> Any:
        """This instance's own: moto shares its instances with every test of the process."""
        return self.ssm.list_command_invocations(CommandId=command_id, InstanceId=self.instance_id)[
            "CommandInvocations"
        ]

    def run(self, *lines: str, timeout: int = 60) -> GetCommandInvocationResultTypeDef:
        return self.wait(self.send(*lines, timeout=timeout))


def wait_for(holds: Callable[[], bool], seconds: float = 90) -> None:
    due = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < due, "it did not come to hold"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    settings = settings_in(tmp_path_factory.mktemp("lab"))
    with (
        served(build(settings), settings.ports["aws"]),
        Cloud(settings, launch(settings, "TT-ec2-1")) as made,
    ):
        made.start_agent()
        yield made


@pytest.fixture(autouse=True)
def no_faults(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.lab("DELETE", "fault")
    cloud.lab("POST", "timing", visible_after_seconds=0, delivered_after_seconds=0)


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid.strip()}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_instance_is_found_by_its_tag_and_launched_once(cloud: Cloud) -> None:
    named = [{"Name": "tag:Name", "Values": ["TT-ec2-1"]}]
    [reservation] = cloud.ec2.describe_instances(Filters=named)["Reservations"]  # type: ignore[arg-type] # a plain list of dicts
    [instance] = reservation["Instances"]
    assert instance["InstanceId"] == cloud.instance_id
    assert instance["State"]["Name"] == "running"
    assert launch(cloud.settings, "TT-ec2-1") == cloud.instance_id
    sts: STSClient = cloud.client("sts")
    assert sts.get_caller_identity()["Account"] == "123456789012"


def test_a_stopped_instance_says_so_until_it_is_started(cloud: Cloud) -> None:
    def state() -> str:
        found = cloud.ec2.describe_instances(InstanceIds=[cloud.instance_id])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"]

    cloud.ec2.stop_instances(InstanceIds=[cloud.instance_id])
    assert state() == "stopped"
    cloud.ec2.start_instances(InstanceIds=[cloud.instance_id])
    assert state() == "running"


def test_a_script_runs_as_the_real_agent_runs_it(cloud: Cloud) -> None:
    done = cloud.run("#!/bin/bash", "echo $BASH; pwd; id -u; env | cut -d= -f1 | sort | xargs")
    words = done["StandardOutputContent"].splitlines()
    assert words[:2] == ["/bin/bash", "/usr/bin"]
    assert words[2] == str(os.getuid())
    names = set(words[3].split())
    assert names >= {"PATH", "SSM_COMMAND_ID", "AWS_SSM_INSTANCE_ID", "AWS_SSM_REGION_NAME"}
    assert "HOME" not in names
    assert (done["Status"], done["ResponseCode"]) == ("Success", 0)


def test_without_a_first_line_that_says_otherwise_sh_runs_it(cloud: Cloud) -> None:
    done = cloud.run("echo ${BASH_VERSION-none}; [[ a ]] 2>/dev/null || echo plain sh")
    assert done["StandardOutputContent"] == "none\nplain sh\n"


def test_the_working_directory_and_the_command_id_are_given(cloud: Cloud) -> None:
    command_id = cloud.send("pwd; echo $SSM_COMMAND_ID")
    assert command_id in cloud.wait(command_id)["StandardOutputContent"]
    sent = cloud.ssm.send_command(
        DocumentName="AWS-RunShellScript",
        InstanceIds=[cloud.instance_id],
        Parameters={"commands": ["pwd"], "workingDirectory": ["/tmp"]},
    )
    done = cloud.wait(sent["Command"]["CommandId"])
    assert done["StandardOutputContent"] == "/tmp\n"


def test_a_failure_carries_its_exit_code_and_the_agents_last_word(cloud: Cloud) -> None:
    done = cloud.run("echo out; printf err >&2; exit 3")
    assert (done["Status"], done["StatusDetails"], done["ResponseCode"]) == ("Failed", "Failed", 3)
    assert done["StandardOutputContent"] == "out\n"
    assert done["StandardErrorContent"] == "errfailed to run commands: exit status 3"


def test_a_script_that_exits_as_if_killed_counts_as_timed_out(cloud: Cloud) -> None:
    done = cloud.run("exit 137")
    assert (done["Status"], done["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")


def test_the_first_24000_and_8000_characters_are_kept_and_2400_listed(cloud: Cloud) -> None:
    done = cloud.run(
        "head -c 30000 /dev/zero | tr '\\0' o; head -c 9000 /dev/zero | tr '\\0' e >&2"
    )
    assert len(done["StandardOutputContent"]) == 24_000
    assert done["StandardOutputContent"].endswith("--output truncated--")
    assert len(done["StandardErrorContent"]) == 8_000
    listed = cloud.ssm.list_command_invocations(CommandId=done["CommandId"], Details=True)
    [plugin] = listed["CommandInvocations"][0]["CommandPlugins"]
    assert len(plugin["Output"]) <= 2_400
    assert "---Output truncated---" in plugin["Output"]


def test_a_timeout_kills_the_whole_group_and_runs_no_trap(cloud: Cloud, tmp_path: Path) -> None:
    trapped, child = tmp_path / "trapped", tmp_path / "child"
    done = cloud.run(
        "#!/bin/bash",
        f"trap 'touch {trapped}' EXIT TERM",
        f"sleep 300 & echo $! >{child}; echo begun; wait",
        timeout=6,
    )
    assert (done["Status"], done["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")
    assert (done["ResponseCode"], done["StandardOutputContent"]) == (137, "begun\n")
    assert not trapped.exists()
    assert not alive(child.read_text())


def test_a_child_in_a_session_of_its_own_outlives_the_kill(cloud: Cloud, tmp_path: Path) -> None:
    child = tmp_path / "child"
    cloud.run(
        f"setsid sh -c 'echo $$ >{child}; exec sleep 300' >/dev/null 2>&1 & sleep 90", timeout=6
    )
    pid = child.read_text()
    assert alive(pid)
    os.kill(int(pid), signal.SIGKILL)


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A file for whose end a command waits."""
    file = tmp_path / "held"
    file.touch()
    return file


def until_let_go(held: Path) -> str:
    return f"while [ -e {held} ]; do sleep 0.1; done"


def test_a_background_child_that_holds_the_output_keeps_the_command_open(
    cloud: Cloud, held: Path, tmp_path: Path
) -> None:
    over = tmp_path / "over"
    command_id = cloud.send(f"({until_let_go(held)}) & touch {over}")
    wait_for(over.exists)
    time.sleep(0.5)
    assert cloud.look(command_id)["Status"] == "InProgress"
    held.unlink()
    assert cloud.wait(command_id)["Status"] == "Success"


def test_a_cancelled_command_is_killed_and_says_so(cloud: Cloud, tmp_path: Path) -> None:
    child = tmp_path / "child"
    command_id = cloud.send(f"sleep 300 & echo $! >{child}; wait")
    wait_for(lambda: child.exists() and bool(child.read_text().strip()))
    cloud.ssm.cancel_command(CommandId=command_id)
    done = cloud.wait(command_id)
    assert (done["Status"], done["ResponseCode"]) == ("Cancelled", 137)
    assert not alive(child.read_text())


def test_several_commands_run_at_once(cloud: Cloud, tmp_path: Path) -> None:
    together = f"until [ $(ls {tmp_path} | wc -l) = 4 ]; do sleep 0.1; done"
    ids = [cloud.send(f"touch {tmp_path}/{number}; {together}") for number in range(4)]
    assert {cloud.wait(command_id)["Status"] for command_id in ids} == {"Success"}


def test_a_running_command_has_no_output_and_no_code_yet(cloud: Cloud, held: Path) -> None:
    command_id = cloud.send(f"echo early; {until_let_go(held)}")
    wait_for(lambda: cloud.look(command_id)["Status"] == "InProgress")
    seen = cloud.look(command_id)
    assert (seen["ResponseCode"], seen["StandardOutputContent"]) == (-1, "")
    held.unlink()
    cloud.wait(command_id)


def test_a_fresh_command_may_not_exist_yet(cloud: Cloud) -> None:
    cloud.lab("POST", "timing", visible_after_seconds=3, delivered_after_seconds=0)
    command_id = cloud.send("true")
    assert cloud.listed(command_id) == []
    with pytest.raises(cloud.ssm.exceptions.ClientError, match="InvocationDoesNotExist"):
        cloud.look(command_id)
    assert cloud.wait(command_id)["Status"] == "Success"


def test_a_target_that_names_no_instance_is_a_success_of_sorts(cloud: Cloud) -> None:
    nobody = [{"Key": "tag:Name", "Values": ["nobody"]}]
    command_id = cloud.send("true", InstanceIds=[], Targets=nobody)
    # A fresh command may not be listed yet.
    wait_for(lambda: bool(cloud.ssm.list_commands(CommandId=command_id)["Commands"]))
    [command] = cloud.ssm.list_commands(CommandId=command_id)["Commands"]
    assert (command["Status"], command["StatusDetails"]) == ("Success", "NoInstancesInTag")
    assert command["TargetCount"] == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"InstanceIds": ["i-0123456789abcdef0"]}, "InvalidInstanceId"),
        ({"InstanceIds": [f"i-{n:017x}" for n in range(51)]}, "ValidationException"),
    ],
)
def test_refusals_reach_boto3_by_their_names(
    cloud: Cloud, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.send("true", **options)
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("ssm", lambda c: c.list_commands(), "UnrecognizedClientException"),
        ("ec2", lambda c: c.describe_instances(), "AuthFailure"),
        ("sts", lambda c: c.get_caller_identity(), "InvalidClientTokenId"),
    ],
)
def test_a_wrong_key_is_refused_as_each_service_does(
    cloud: Cloud, service: str, call: Callable[[Any], Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        call(cloud.client(service, key="AKIAWRONG"))
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("throttle", "ThrottlingException"),
        ("forbidden", "AccessDeniedException"),
        ("error", "InternalServerError"),
    ],
)
def test_faults_reach_boto3_by_their_names(cloud: Cloud, kind: str, code: str) -> None:
    cloud.lab("POST", "fault", kind=kind, match="SendCommand", count=1)
    with pytest.raises(ClientError) as refused:
        cloud.send("true")
    assert refused.value.response["Error"]["Code"] == code
    assert cloud.run("true")["Status"] == "Success"


def test_a_fault_may_strike_one_command_by_its_comment(cloud: Cloud) -> None:
    match = "a test: sync AmazonSSM.SendCommand ssm$"
    cloud.lab("POST", "fault", kind="throttle", match=match, count=1)
    assert cloud.wait(cloud.send("true", Comment="a test: pull"))["Status"] == "Success"
    with pytest.raises(ClientError):
        cloud.send("true", Comment="a test: sync")
    done = cloud.wait(cloud.send("echo whole", Comment="a test: sync"))
    assert (done["Status"], done["StandardOutputContent"]) == ("Success", "whole\n")


def test_a_fault_of_ec2_leaves_ssm_alone_and_the_agent_too(cloud: Cloud) -> None:
    cloud.lab("POST", "fault", kind="down", match="ec2$")
    with pytest.raises(ConnectionClosedError):
        cloud.ec2.describe_instances()
    assert cloud.run("true")["Status"] == "Success"


def test_an_agent_that_comes_back_takes_up_what_still_runs(cloud: Cloud, held: Path) -> None:
    command_id = cloud.send(f"{until_let_go(held)}; echo survived")
    wait_for((cloud.root / "document/state/current" / command_id / "worker.json").exists)
    cloud.kill_agent()
    cloud.start_agent()
    held.unlink()
    done = cloud.wait(command_id)
    assert (done["Status"], done["StandardOutputContent"]) == ("Success", "survived\n")


def test_a_command_whose_worker_is_gone_is_reported_as_failed(cloud: Cloud, tmp_path: Path) -> None:
    script = tmp_path / "script"
    command_id = cloud.send("#!/bin/bash", f"echo $$ >{script}; exec sleep 300")
    state = cloud.root / "document/state/current" / command_id / "worker.json"
    wait_for(lambda: state.exists() and script.exists() and bool(script.read_text()))
    cloud.kill_agent()
    os.kill(json.loads(state.read_text())["pid"], signal.SIGKILL)
    os.kill(int(script.read_text()), signal.SIGKILL)
    cloud.start_agent()
    done = cloud.wait(command_id)
    assert (done["Status"], done["ResponseCode"]) == ("Failed", 1)
    assert done["StandardErrorContent"].startswith("document process failed unexpectedly")


def test_an_offline_agent_loses_its_connection_and_its_commands_wait(cloud: Cloud) -> None:
    cloud.lab("POST", "timing", offline_after_seconds=1)
    cloud.kill_agent()

    def status() -> str:
        [row] = cloud.ssm.describe_instance_information()["InstanceInformationList"]
        return row["PingStatus"]

    wait_for(lambda: status() == "ConnectionLost")
    command_id = cloud.send("echo late")
    time.sleep(0.5)
    assert cloud.look(command_id)["Status"] == "Pending"
    cloud.start_agent()
    assert cloud.wait(command_id)["StandardOutputContent"] == "late\n"
    wait_for(lambda: status() == "Online")


def test_lists_come_in_pages_newest_first(cloud: Cloud) -> None:
    first, second = cloud.send("true"), cloud.send("true")
    page = cloud.ssm.list_commands(MaxResults=1)
    assert page["Commands"][0]["CommandId"] == second
    following = cloud.ssm.list_commands(MaxResults=1, NextToken=page["NextToken"])
    assert following["Commands"][0]["CommandId"] == first


def test_the_history_shows_each_command_with_its_output(cloud: Cloud) -> None:
    command_id = cloud.send("echo told", Comment="a comment")
    cloud.wait(command_id)
    newest = cloud.lab("GET", "history")["commands"][0]
    assert (newest["CommandId"], newest["Comment"]) == (command_id, "a comment")
    assert newest["Invocations"][0]["StandardOutputContent"] == "told\n"


def test_a_restart_of_the_service_loses_no_instance_and_no_command(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path / "lab")
    with process_of(settings, "aws"):
        made = Cloud(settings, launch(settings, "TT-ec2-1"))
        with made:
            made.start_agent()
            command_id = made.send("echo kept")
            made.wait(command_id)
        made.ec2.stop_instances(InstanceIds=[made.instance_id])
    with process_of(settings, "aws"), made:
        found = made.ec2.describe_instances(InstanceIds=[made.instance_id])
        [instance] = found["Reservations"][0]["Instances"]
        assert instance["State"]["Name"] == "stopped"
        assert {"Key": "Name", "Value": "TT-ec2-1"} in instance["Tags"]
        assert made.look(command_id)["StandardOutputContent"] == "kept\n"
        made.start_agent()
        assert made.run("echo again")["StandardOutputContent"] == "again\n"
