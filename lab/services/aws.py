"""`python -m lab.services.aws`: EC2, STS and Systems Manager on AWS's own wire.

moto gives the format and the validation; what runs a command is the agent in the
instance (`lab/agent/ssm_agent.py`), and `ssm_api` gives Run Command its real semantics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import boto3

from lab.settings import LabSettings

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from starlette.types import ASGIApp

INSTANCE_TYPE: Final = "t3.large"


def build(settings: LabSettings) -> ASGIApp:
    """The service of one lab."""
    # Imported late: the lab's commands need `launch`, not moto, which takes a second to import.
    from lab.services import aws_app

    return aws_app.build(settings)


def ec2_client(settings: LabSettings) -> EC2Client:
    """boto3's client of this lab's EC2."""
    return boto3.client(
        "ec2",
        endpoint_url=f"http://127.0.0.1:{settings.ports['aws']}",
        region_name=settings.region,
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=settings.aws_secret_access_key,
    )


def launch(settings: LabSettings, name: str) -> str:
    """The id of the instance tagged with this name; launched if there is none yet."""
    client = ec2_client(settings)
    found = client.describe_instances(
        Filters=[
            {"Name": "tag:Name", "Values": [name]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]},
        ]
    )
    for reservation in found["Reservations"]:
        return reservation["Instances"][0]["InstanceId"]
    image = client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    launched = client.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        InstanceType=INSTANCE_TYPE,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": "Name", "Value": name}, {"Key": "Fleet", "Value": "tt"}],
            }
        ],
    )
    return launched["Instances"][0]["InstanceId"]


if __name__ == "__main__":
    from lab.services.serving import main

    main("aws", build)
