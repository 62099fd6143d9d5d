"""`python -m lab ssm history` and `slack messages`: what the stand-ins were asked and told."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from lab.asking import ask
from lab.settings import LabSettings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `ssm` and `slack`."""
    ssm = subparsers.add_parser("ssm", help="what Systems Manager was asked to run")
    history = ssm.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "history", help="every command, newest first"
    )
    slack = subparsers.add_parser("slack", help="what Slack was told")
    messages = slack.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "messages", help="every message, oldest first"
    )
    for parser, function in ((history, run_history), (messages, run_messages)):
        parser.add_argument("--json", action="store_true", help="everything, as JSON")
        parser.set_defaults(run=function)


def run_history(args: argparse.Namespace) -> int:
    """Print the commands."""
    commands = ask(LabSettings.load(args.home), "aws", "history")["commands"]
    if args.json:
        print(json.dumps({"commands": commands}, indent=2, ensure_ascii=False))
        return 0
    for command in commands:
        moment = datetime.fromtimestamp(command["RequestedDateTime"], UTC)
        print(f"{moment:%H:%M:%S}  {command['CommandId']}  {command['Comment']}")
        for invocation in command["Invocations"]:
            print(f"          {outcome(invocation)}")
    return 0


def outcome(invocation: dict[str, Any]) -> str:
    """One invocation in a line."""
    words = [invocation["InstanceId"], invocation["StatusDetails"]]
    if invocation["ResponseCode"] != -1:
        words.append(f"exit {invocation['ResponseCode']}")
    seconds = invocation["ExecutionElapsedTime"].removeprefix("PT").removesuffix("S")
    if seconds:
        words.append(f"{float(seconds):.1f} s")
    lines = (invocation["StandardOutputContent"] or invocation["StandardErrorContent"]).splitlines()
    return "  ".join([*words, lines[-1][:100] if lines else ""]).rstrip()


def run_messages(args: argparse.Namespace) -> int:
    """Print the messages."""
    messages = ask(LabSettings.load(args.home), "slack", "messages")["messages"]
    if args.json:
        print(json.dumps({"messages": messages}, indent=2, ensure_ascii=False))
        return 0
    for message in messages:
        moment = datetime.fromtimestamp(message["received_at"], UTC)
        print(f"{moment:%H:%M:%S}  {summary(message['payload'])}")
    return 0


def summary(payload: dict[str, Any]) -> str:
    """The text of a message, or of its first block or attachment."""
    if payload.get("text"):
        return str(payload["text"])
    parts = [*payload.get("blocks", []), *payload.get("attachments", [])]
    for part in parts:
        text = part.get("text") or part.get("fallback") or part.get("title")
        if text:
            return str(text["text"] if isinstance(text, dict) else text)
    return json.dumps(payload, ensure_ascii=False)
