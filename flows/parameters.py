"""The parameters that flows share: titles and help as the Prefect UI's forms show them."""

from typing import Annotated

from pydantic import Field

from blocks.environment import ENVIRONMENT_NAME

EnvironmentName = Annotated[
    str,
    Field(
        title="Environment",
        description="Which environment, as registered: lab, staging, production.",
        pattern=ENVIRONMENT_NAME.pattern,
        max_length=40,
    ),
]
Revision = Annotated[
    str | None,
    Field(
        title="Revision",
        description="Commit, branch or tag to deploy. Empty: the head of the environment's branch.",
        max_length=200,
    ),
]
Reason = Annotated[
    str,
    Field(title="Reason", description="Why now; the report quotes it.", max_length=300),
]
Actor = Annotated[
    str,
    Field(
        title="Actor", description="Who asks; empty: whoever the run belongs to.", max_length=100
    ),
]
DryRun = Annotated[
    bool,
    Field(title="Dry run", description="Show what would happen and touch nothing."),
]
Tag = Annotated[
    str,
    Field(title="Release", description="The release's tag, such as v1.2.3.", max_length=128),
]
WayBack = Annotated[
    str | None,
    Field(
        title="Version",
        description="Version or tag to go back to. Empty: the release before the running one. "
        "The last deploy report lists what the hosts have kept.",
        max_length=128,
    ),
]
