"""Running real programs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from blocks.commands import CommandFailed, run_streaming, run_to_end

PATH_ONLY = {"PATH": "/usr/bin:/bin"}


def run(
    script: str, *, seconds: float = 30, given: str = "", secrets: tuple[str, ...] = ()
) -> tuple[list[str], list[str]]:
    """What was returned, and what was handed over line by line."""
    seen: list[str] = []
    kept = run_streaming(
        ["bash", "-c", script],
        on_line=seen.append,
        timeout_seconds=seconds,
        environment=PATH_ONLY,
        standard_input=given,
        secrets=secrets,
    )
    return kept, seen


def has_ended(pid: int, *, within_seconds: float = 10) -> bool:
    """Whether the process is gone, or goes soon: a signal takes its time on a busy machine."""
    deadline = time.monotonic() + within_seconds
    while (running := is_running(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_lines_come_as_they_are_printed_and_not_at_the_end() -> None:
    arrived: list[float] = []
    run_streaming(
        ["bash", "-c", "echo first; sleep 0.4; echo second"],
        on_line=lambda _line: arrived.append(time.monotonic()),
        timeout_seconds=30,
        environment=PATH_ONLY,
    )
    assert arrived[1] - arrived[0] > 0.3


def test_both_outputs_are_read_as_lines() -> None:
    kept, seen = run("echo out; echo err >&2; printf 'a\\rb\\nno end'")
    assert kept == seen == ["out", "err", "a", "b", "no end"]


def test_only_the_last_two_hundred_lines_are_kept() -> None:
    kept, seen = run("seq 1 300")
    assert (len(seen), kept[0], kept[-1]) == (300, "101", "300")


def test_bytes_that_are_no_text_do_not_end_the_run() -> None:
    kept, _ = run(r"printf 'a\xffb\n'")
    assert kept == ["a�b"]


def test_a_secret_never_reaches_a_line() -> None:
    kept, seen = run("echo the password is correct-horse", secrets=("correct-horse",))
    assert kept == seen == ["the password is [redacted]"]


def test_a_password_is_given_by_standard_input_alone() -> None:
    script = "read -r word; echo got ${#word}; tr '\\0' ' ' </proc/$$/cmdline; env"
    kept, _ = run(script, given="correct-horse")
    assert kept[0] == "got 13"
    assert not [line for line in kept if "correct-horse" in line]


def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert run("exec <&-; echo done", given="x" * 200_000)[0] == ["done"]


def test_a_failure_has_the_status_and_the_last_lines() -> None:
    with pytest.raises(CommandFailed) as caught:
        run("seq 1 40; echo token=abcdefgh; exit 3")
    assert (caught.value.program, caught.value.status, caught.value.timed_out) == ("bash", 3, False)
    assert caught.value.last_lines.splitlines()[-1] == "token=[redacted]"
    assert len(caught.value.last_lines.splitlines()) == 30


def test_when_the_time_is_up_the_program_and_its_children_end(tmp_path: Path) -> None:
    note = tmp_path / "child"
    began = time.monotonic()
    with pytest.raises(CommandFailed) as caught:
        run(f"sleep 60 & echo $! >{note}; wait", seconds=3)
    assert caught.value.timed_out
    assert time.monotonic() - began < 40
    assert has_ended(int(note.read_text()))


def test_what_a_program_left_running_ends_with_it(tmp_path: Path) -> None:
    note = tmp_path / "child"
    run(f"sleep 60 >/dev/null 2>&1 & echo $! >{note}")
    assert has_ended(int(note.read_text()))


def test_a_reader_that_raises_ends_the_program(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def refuse(_line: str) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_streaming(
            ["bash", "-c", f"echo $$ >{note}; echo line; exec sleep 60"],
            on_line=refuse,
            timeout_seconds=30,
            environment=PATH_ONLY,
        )
    assert has_ended(int(note.read_text()))


def test_the_environment_is_exactly_the_given_one_and_the_folder_too(tmp_path: Path) -> None:
    seen: list[str] = []
    run_streaming(
        [sys.executable, "-c", "import os; print(os.getcwd(), os.environ.get('HOME'))"],
        on_line=seen.append,
        timeout_seconds=30,
        environment={},
        folder=tmp_path,
    )
    assert seen == [f"{tmp_path} None"]


def test_a_quick_program_is_run_to_its_end_with_both_outputs_apart() -> None:
    ended = run_to_end(
        ["bash", "-c", "echo out; echo err >&2; exit 3"],
        timeout_seconds=30,
        environment=PATH_ONLY,
    )
    assert (ended.status, ended.output, ended.noise) == (3, "out\n", "err\n")


def test_a_quick_program_that_is_not_quick_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "child"
    with pytest.raises(subprocess.TimeoutExpired):
        run_to_end(
            ["bash", "-c", f"sleep 60 & echo $! >{note}; wait"],
            timeout_seconds=0.5,
            environment=PATH_ONLY,
        )
    assert has_ended(int(note.read_text()))
