"""The parameters that flows share: titles and help as the Prefect UI's forms show them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from blocks.environment import ENVIRONMENT_NAME


def shown(title: str, description: str, **limits: Any) -> Any:
    """A field whose title and help reach the form.

    Prefect names a parameter's field itself and drops what ``Field`` says of it, but what
    is in ``json_schema_extra`` has the last word.
    """
    return Field(json_schema_extra={"title": title, "description": description}, **limits)


EnvironmentName = Annotated[
    str,
    shown(
        "Environment",
        "Which environment, as registered: lab, staging, production.",
        pattern=ENVIRONMENT_NAME.pattern,
        max_length=40,
    ),
]
Revision = Annotated[
    str | None,
    shown(
        "Revision",
        "Commit, branch or tag to deploy. Empty: the head of the environment's branch.",
        max_length=200,
    ),
]
Reason = Annotated[
    str,
    shown("Reason", "Why now; the report quotes it.", max_length=300),
]
Actor = Annotated[
    str,
    shown("Actor", "Who asks; empty: whoever the run belongs to.", max_length=100),
]
DryRun = Annotated[
    bool,
    shown("Dry run", "Show what would happen and touch nothing."),
]
KeepDays = Annotated[
    int,
    shown("Keep days", "Runs that ended within so many days stay.", ge=1, le=3650),
]
KeepDeploys = Annotated[
    int,
    shown(
        "Keep deploys",
        "So many of the last deploys, rollouts and rollbacks stay, however old they are.",
        ge=1,
        le=1000,
    ),
]
Fix = Annotated[
    bool,
    shown(
        "Fix",
        "Apply the remedies that can lose no data: initialise the Redis Cluster again, restart "
        "one container, put the token file's mode right, remove images that no release needs. "
        "Each is confirmed by a second look. Off: touch nothing.",
    ),
]
AllowDataStores = Annotated[
    bool,
    shown(
        "Allow data stores",
        "Also replace data stores whose definition changed, one at a time; their data stays. "
        "Off: they are left alone, and the report names them.",
    ),
]
Tag = Annotated[
    str,
    shown("Release", "The release's tag, such as v1.2.3.", max_length=128),
]
WayBack = Annotated[
    str | None,
    shown(
        "Version",
        "Version or tag to go back to. Empty: the release before the running one. "
        "Once a release has been deployed, the form lists what the hosts have kept.",
        max_length=128,
    ),
]
OnlyHosts = Annotated[
    list[str] | None,
    shown("Only hosts", "Names of hosts to look at. Empty: all of them."),
]
AfterTakeover = Annotated[
    bool,
    shown(
        "After a takeover",
        "A release has just taken over: compare its errors and latency with those before it.",
    ),
]
AsBefore = Annotated[
    bool,
    shown(
        "As before",
        "What was down before the last takeover already is not held against the release.",
    ),
]
DrillWhen = Annotated[
    Literal["no", "if due", "now"],
    shown(
        "Drill",
        "Whether an alert, said to be a drill, goes from Prometheus to Slack and is resolved: "
        "now, or if the last one is about a day old.",
    ),
]
