"""What would be released from the clone that one stands in: ``python -m flows.release --plan``.

Nothing is fetched, tagged or published, and Prefect is not even imported: the answer is
there in a fraction of a second, in any clone, for anybody who wants to see it before.
"""

import argparse
import datetime
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blocks.local_clone import LocalClone
from delivery.answer import answer_of_failure, whole_answer
from delivery.errors import BadRequest, DeliveryError
from delivery.notes import notes_for_people, notes_of_release, without_unseen
from delivery.release import ReleasePlan, ReleasePolicy, plan_release
from delivery.release_reading import commits_read, tags_read


def main(arguments: list[str]) -> int:
    """Print the plan and its notes. 0 if something is or may be released, else 1 (2: usage)."""
    options = _command_line().parse_args(arguments)
    began = time.monotonic()
    try:
        clone = LocalClone(Path.cwd())
        plan = plan_here(clone, options)
        notes = _notes(clone, plan, options)
        text = f"{plan.tag}  {plan.reason}\n\n{notes}"
        if options.json:
            told = {**_told(plan, notes), "revision": clone.resolve(options.revision)}
            text = _as_json(whole_answer(told, environment="", seconds=time.monotonic() - began))
    except (DeliveryError, ValueError) as error:
        if options.json:
            seconds = time.monotonic() - began
            _print(_as_json(answer_of_failure(error, environment="", seconds=seconds)))
        print(without_unseen(str(error)), file=sys.stderr)
        return 2 if isinstance(error, BadRequest | ValueError) else 1
    _print(text)
    return 0 if plan.tag else 1


def plan_here(clone: LocalClone, options: argparse.Namespace) -> ReleasePlan:
    """The release of the revision in question, under the policy in question."""
    branch = options.branch or clone.branch()
    if not branch:
        raise BadRequest("No branch is checked out: say by --branch for which to plan.")
    sha = clone.resolve(options.revision)
    policy = _policy(options)
    return plan_release(
        branch=branch,
        tags=tags_read(policy, clone.tags()),
        commits_since=commits_read(policy, lambda tag: clone.commits(after=tag, until=sha)),
        policy=policy,
        repository_url=_address(clone, options),
        on=datetime.datetime.now(datetime.UTC).date(),
        tags_at_revision=clone.tags_at(sha),
        reachable_tags=clone.tags_reachable_from(sha),
    )


def _policy(options: argparse.Namespace) -> ReleasePolicy:
    if options.like_github_tag_action:
        return ReleasePolicy.github_tag_action(tag_prefix=options.tag_prefix)
    return ReleasePolicy(tag_prefix=options.tag_prefix)


def _address(clone: LocalClone, options: argparse.Namespace) -> str:
    return options.repository_url or clone.page()


def _notes(clone: LocalClone, plan: ReleasePlan, options: argparse.Namespace) -> str:
    """What would be published: the release's notes; with ``--running``, the deploy's."""
    address = _address(clone, options)
    if not (options.running and plan.tag):
        if options.like_github_tag_action:
            return plan.notes
        return notes_of_release(plan, repository_url=address)
    sha = clone.resolve(options.revision)
    return notes_for_people(
        plan,
        running=options.running,
        commits=clone.commits(after=options.running, until=sha),
        authors=clone.authors(after=options.running, until=sha),
        repository_url=address,
    )


def _print(text: str) -> None:
    """Print what others wrote, so that it cannot act on the terminal."""
    try:
        print(without_unseen(text), flush=True)
    except BrokenPipeError:
        # A reader like `head` has seen enough; nor shall Python say so when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _as_json(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False)


def _told(plan: ReleasePlan, notes: str) -> dict[str, Any]:
    return {
        "outcome": "PLANNED" if plan.creates_tag else "UNCHANGED",
        "version": plan.version,
        "tag": plan.tag,
        "previous_version": plan.previous_version,
        "previous_tag": plan.previous_tag,
        "bump": plan.bump,
        "release_type": plan.release_type,
        "creates_tag": plan.creates_tag,
        "reason": plan.reason,
        "notes": notes,
    }


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.release --plan",
        description="Show what would be released from the clone in this folder. Touches nothing.",
    )
    parser.add_argument("--plan", action="store_true", help="what this command is for")
    parser.add_argument("--revision", default="HEAD", help="commit, branch or tag; default: HEAD")
    parser.add_argument("--branch", help="the branch to plan for; default: the one checked out")
    parser.add_argument("--tag-prefix", default="v", help="what stands before the version")
    parser.add_argument(
        "--repository-url", help="where links lead; default: the page of the remote"
    )
    parser.add_argument("--running", metavar="TAG", help="what runs now: the deploy's notes")
    parser.add_argument(
        "--like-github-tag-action",
        action="store_true",
        help="decide as mathieudutour/github-tag-action v6.2 would, for comparison",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
