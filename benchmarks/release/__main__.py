"""``python -m benchmarks.release``: bump and notes of 10,000 commits, beside the reference.

Both get the same commits in the same run and must give the same answer, to the byte.
Fails if ours takes 3 s or more, or is less than five times as fast. Judged by the seconds
of the processor, so that other work on the machine does not count; the clock stands beside.
"""

import argparse
import datetime
import re
import sys
import time
from collections.abc import Sequence

from benchmarks.release.history import make_history
from benchmarks.release.reference import Answer, History, ask_reference
from delivery.commits import Commit
from delivery.release import ReleasePlan, ReleasePolicy, plan_release

_TRIES = 3


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release", description=__doc__)
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=3.0, help="seconds that ours may take")
    parser.add_argument("--faster", type=float, default=5.0, help="times that ours must be faster")
    options = parser.parse_args()
    commits = make_history(options.commits)
    plan = plan_of(commits)
    ours = best_of(_TRIES, commits)
    history = History(commits=commits, tag=str(plan.tag), version=str(plan.version))
    (reference,) = ask_reference([history])
    if (ours.bump, undated(ours.notes)) != (reference.bump, undated(reference.notes)):
        print("The answers differ.", file=sys.stderr)
        return 1
    faster = reference.busy / ours.busy
    print(
        f"{options.commits} commits -> {plan.tag}, {len(ours.notes):,} characters of notes, equal"
    )
    print("           processor      clock")
    print(f"ours       {ours.busy:7.2f} s {ours.seconds:8.2f} s   (allowed: {options.limit} s)")
    print(f"reference  {reference.busy:7.2f} s {reference.seconds:8.2f} s")
    print(f"faster     {faster:7.1f} x              (wanted: {options.faster} x)")
    return 0 if ours.busy < options.limit and faster >= options.faster else 1


def best_of(tries: int, commits: Sequence[Commit]) -> Answer:
    """Our answer, and the fewest seconds that it took."""
    answers = []
    for _ in range(tries):
        clock, busy = time.perf_counter(), time.process_time()
        plan = plan_of(commits)
        busy, clock = time.process_time() - busy, time.perf_counter() - clock
        answers.append(Answer(bump=plan.bump, notes=plan.notes, seconds=clock, busy=busy))
    return min(answers, key=lambda answer: answer.busy)


def plan_of(commits: Sequence[Commit]) -> ReleasePlan:
    """Our whole decision, notes included."""
    return plan_release(
        branch="main",
        tags=["v1.2.3"],
        commits_since=lambda _: commits,
        policy=ReleasePolicy.github_tag_action(),
        repository_url="https://github.com/acme/app",
        on=datetime.datetime.now(datetime.UTC).date(),
    )


def undated(notes: str) -> str:
    """`notes` without the date of their heading: midnight may pass between the two."""
    return re.sub(r"\(\d{4}-\d\d-\d\d\)", "(today)", notes, count=1)


if __name__ == "__main__":
    sys.exit(main())
