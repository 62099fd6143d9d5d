"""EC2 and SSM over AWS's own wire format: moto's server, and servers that misbehave."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from moto.server import ThreadedMotoServer

from blocks.aws_hosts import AwsHosts, Host, Invocation, translate
from delivery.errors import ConfigurationError, DeliveryError, HostError, HostUnreachable
from tests.fakes import LoopbackServer

REGION = "ap-northeast-2"
COMMAND = "00000000-0000-0000-0000-000000000001"
HOST = Host("i-0123456789abcdef0", "TT-ec2-1")


@cache
def session() -> boto3.Session:
    """One for all: each reads EC2's large description anew."""
    return boto3.Session("AKIA", "secret", region_name=REGION)


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def ec2(moto_url: str) -> Any:
    httpx.post(f"{moto_url}/moto-api/reset")
    return session().client("ec2", endpoint_url=moto_url)


@pytest.fixture
def door(moto_url: str) -> AwsHosts:
    return AwsHosts(session(), {"endpoint_url": moto_url})


def launch(ec2: Any, *names: str, **tags: str) -> list[str]:
    """One instance a name; their ids."""
    ids = []
    for name in names:
        labels = [{"Key": key, "Value": value} for key, value in {"Name": name, **tags}.items()]
        made = ec2.run_instances(
            ImageId="ami-12345678",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": labels}],
        )
        ids.append(made["Instances"][0]["InstanceId"])
    return ids


def test_running_instances_are_found_by_their_tag(ec2: Any, door: AwsHosts) -> None:
    (wanted,) = launch(ec2, "TT-ec2-1")
    launch(ec2, "another")
    assert door.running("Name", "TT-ec2-1") == [Host(wanted, "TT-ec2-1")]


def test_stopped_and_terminated_instances_are_not_hosts(ec2: Any, door: AwsHosts) -> None:
    stopped, terminated = launch(ec2, "TT-ec2-1", "TT-ec2-1")
    ec2.stop_instances(InstanceIds=[stopped])
    ec2.terminate_instances(InstanceIds=[terminated])
    assert door.running("Name", "TT-ec2-1") == []


def test_the_state_of_every_instance_is_told_running_or_not(ec2: Any, door: AwsHosts) -> None:
    running, stopped = launch(ec2, "TT-ec2-1", "TT-ec2-1")
    ec2.stop_instances(InstanceIds=[stopped])
    assert door.states("Name", "TT-ec2-1") == {running: "running", stopped: "stopped"}


def test_a_fleet_is_found_by_a_common_tag_in_the_order_of_its_names(
    ec2: Any, door: AwsHosts
) -> None:
    launch(ec2, "TT-ec2-2", "TT-ec2-1", Fleet="tt")
    assert [host.name for host in door.running("Fleet", "tt")] == ["TT-ec2-1", "TT-ec2-2"]


def test_an_instance_without_a_name_goes_by_its_id(ec2: Any, door: AwsHosts) -> None:
    (made,) = launch(ec2, "x", Fleet="tt")
    ec2.delete_tags(Resources=[made], Tags=[{"Key": "Name"}])
    assert door.running("Fleet", "tt") == [Host(made, made)]


def test_a_command_is_sent_and_read(ec2: Any, door: AwsHosts) -> None:
    (made,) = launch(ec2, "TT-ec2-1")
    host = Host(made, "TT-ec2-1")
    command = door.send([host], "#!/bin/bash\ntrue\n", comment="c", delivery=60, execution=90)
    assert door.output(command, made).noise == ""


class Scripted:
    """An AWS that answers every call alike and keeps what it was asked."""

    def __init__(self, status: int, body: object) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._status = status
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        target = request.headers.get("x-amz-target", "")
        fields = json.loads(request.content) if target else {}
        self.asked.append((target.removeprefix("AmazonSSM."), fields))
        kind = "application/x-amz-json-1.1"
        return httpx.Response(self._status, headers={"Content-Type": kind}, content=self._body)


def door_to(server: LoopbackServer) -> AwsHosts:
    return AwsHosts(session(), {"endpoint_url": server.url})


def test_a_script_travels_line_by_line_and_reads_the_same_at_the_other_end() -> None:
    aws = Scripted(200, {"Command": {"CommandId": COMMAND}})
    script = "#!/bin/bash\nexport TT_REASON='a\u2028b\x0cc\x85d\n\te'\n"
    with LoopbackServer(aws) as server:
        sent = door_to(server).send(
            [Host("i-1", "a"), Host("i-2", "b")], script, comment="x" * 200, delivery=5, execution=7
        )
    ((call, fields),) = aws.asked
    assert (call, sent) == ("SendCommand", COMMAND)
    assert "\n".join(fields["Parameters"]["commands"]) == script
    assert fields["InstanceIds"] == ["i-1", "i-2"]
    assert fields["Parameters"]["executionTimeout"] == ["7"]
    assert fields["TimeoutSeconds"] == 30
    assert len(fields["Comment"]) == 100


def test_all_hosts_run_it_at_once_and_one_that_fails_stops_no_other() -> None:
    aws = Scripted(200, {"Command": {"CommandId": COMMAND}})
    hosts = [Host(f"i-{n}", f"h{n}") for n in range(50)]
    with LoopbackServer(aws) as server:
        door_to(server).send(hosts, "true", comment="c", delivery=60, execution=60)
    ((_, fields),) = aws.asked
    assert (fields["MaxConcurrency"], fields["MaxErrors"]) == ("50", "50")
    assert len(fields["InstanceIds"]) == 50


def test_more_hosts_than_a_command_may_have_are_refused_before_anything_is_sent() -> None:
    aws = Scripted(200, {})
    hosts = [Host(f"i-{n}", f"h{n}") for n in range(51)]
    with LoopbackServer(aws) as server, pytest.raises(HostError, match="at most 50 hosts, not 51"):
        door_to(server).send(hosts, "true", comment="c", delivery=60, execution=60)
    assert aws.asked == []


def test_the_detailed_status_is_what_counts() -> None:
    rows = [
        {"InstanceId": "i-1", "Status": "TimedOut", "StatusDetails": "DeliveryTimedOut"},
        {"InstanceId": "i-2", "Status": "InProgress"},
    ]
    with LoopbackServer(Scripted(200, {"CommandInvocations": rows})) as server:
        seen = door_to(server).invocations(COMMAND)
    assert seen == [
        Invocation("i-1", "DeliveryTimedOut", final=True),
        Invocation("i-2", "InProgress", final=False),
    ]


def test_a_command_that_ssm_does_not_list_yet_has_no_invocations() -> None:
    with LoopbackServer(Scripted(200, {})) as server:
        assert door_to(server).invocations(COMMAND) == []


def test_an_agent_is_told_with_its_last_ping() -> None:
    row = {"InstanceId": HOST.instance_id, "PingStatus": "Online", "LastPingDateTime": 1795645684}
    aws = Scripted(200, {"InstanceInformationList": [row]})
    with LoopbackServer(aws) as server:
        (agent,) = door_to(server).agents([HOST])
    assert (agent.instance_id, agent.ping, agent.version) == (HOST.instance_id, "Online", "")
    assert agent.last_ping.timestamp() == 1795645684
    wanted = {"Filters": [{"Key": "InstanceIds", "Values": [HOST.instance_id]}]}
    assert aws.asked == [("DescribeInstanceInformation", wanted)]


def test_cancelling_names_the_command() -> None:
    aws = Scripted(200, {})
    with LoopbackServer(aws) as server:
        door_to(server).cancel(COMMAND)
    assert aws.asked == [("CancelCommand", {"CommandId": COMMAND})]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"__type": "ThrottlingException", "message": "Rate exceeded"}),
        (503, {"message": "busy"}),
        (200, b"<html>garbage"),
    ],
    ids=["throttled", "unavailable", "garbage"],
)
def test_what_may_pass_is_transient(status: int, body: object) -> None:
    with LoopbackServer(Scripted(status, body)) as server, pytest.raises(HostUnreachable):
        door_to(server).send([HOST], "true", comment="c", delivery=60, execution=60)


def test_garbage_instead_of_a_listing_of_instances_is_transient() -> None:
    with (
        LoopbackServer(Scripted(200, b"<html>garbage")) as server,
        pytest.raises(HostUnreachable, match="does not read"),
    ):
        door_to(server).running("Name", "TT-ec2-1")


def test_an_output_that_does_not_read_is_transient() -> None:
    with (
        LoopbackServer(Scripted(200, {})) as server,
        pytest.raises(HostUnreachable, match="does not read"),
    ):
        door_to(server).output(COMMAND, HOST.instance_id)


def test_what_aws_cannot_be_asked_is_not_asked_again() -> None:
    with (
        LoopbackServer(Scripted(200, {})) as server,
        pytest.raises(HostError, match="cannot be asked") as caught,
    ):
        door_to(server).cancel("no-id")
    assert not isinstance(caught.value, HostUnreachable)


def test_an_aws_that_is_away_is_transient() -> None:
    with LoopbackServer(Scripted(200, {})) as server:
        gone = door_to(server)
    with pytest.raises(HostUnreachable, match="did not answer while cancelling a command"):
        gone.cancel(COMMAND)


def client_error(code: str, status: int = 400) -> ClientError:
    error: Any = {
        "Error": {"Code": code, "Message": "said AWS"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(error, "SendCommand")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Throttling", 400, HostUnreachable),
        ("RequestLimitExceeded", 503, HostUnreachable),
        ("InvocationDoesNotExist", 400, HostUnreachable),
        ("SomethingNew", 500, HostUnreachable),
        ("InvalidInstanceId", 400, HostUnreachable),
        ("AccessDeniedException", 400, ConfigurationError),
        ("UnauthorizedOperation", 403, ConfigurationError),
        ("ExpiredTokenException", 400, ConfigurationError),
        ("InvalidDocument", 400, HostError),
    ],
)
def test_errors_are_told_apart_by_their_code(
    code: str, status: int, kind: type[DeliveryError]
) -> None:
    assert type(translate(client_error(code, status), "sending a command")) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoCredentialsError(), ConfigurationError),
        (EndpointConnectionError(endpoint_url="http://x"), HostUnreachable),
        (ReadTimeoutError(endpoint_url="http://x"), HostUnreachable),
    ],
)
def test_errors_without_an_answer_are_told_apart_by_their_class(
    error: Any, kind: type[DeliveryError]
) -> None:
    assert type(translate(error, "sending a command")) is kind


def test_a_session_without_a_region_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="NoRegionError"):
        AwsHosts(boto3.Session("AKIA", "secret"), {})


@pytest.mark.parametrize(
    ("code", "may"),
    [("InvalidCommandId", True), ("AccessDeniedException", False), ("ValidationException", True)],
)
def test_whether_commands_may_be_cancelled_is_asked_with_one_that_does_not_exist(
    code: str, may: bool
) -> None:
    with LoopbackServer(Scripted(400, {"__type": code, "message": "no"})) as server:
        assert door_to(server).may_cancel() is may


def test_an_aws_that_is_away_does_not_say_what_may_be_cancelled() -> None:
    with LoopbackServer(Scripted(200, {})) as server:
        assert door_to(server).may_cancel()
        gone = door_to(server)
    with pytest.raises(HostUnreachable):
        gone.may_cancel()
