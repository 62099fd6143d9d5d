"""tools/contained.sh: whatever a command leaves running ends with it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

CONTAINED = Path(__file__).parents[2] / "tools" / "contained.sh"


def contained(script: str) -> list[str]:
    return [str(CONTAINED), "bash", "-c", script]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(claim: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := claim()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


@pytest.mark.parametrize("code", [0, 3])
def test_it_exits_as_the_command_does(code: int) -> None:
    assert subprocess.run(contained(f"exit {code}"), timeout=30).returncode == code


def test_a_process_that_detached_itself_ends_with_the_command(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"setsid bash -c 'echo $$ >{note}; exec sleep 60' & until [[ -s {note} ]]; do :; done"
    subprocess.run(contained(script), timeout=30, check=True)
    assert not is_running(int(note.read_text()))


def test_a_process_of_somebody_else_goes_on() -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        subprocess.run(contained("true"), timeout=30, check=True)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait(timeout=10)


def test_when_it_is_told_to_end_the_command_cleans_up_first_and_nothing_stays(
    tmp_path: Path,
) -> None:
    note, cleaned = tmp_path / "pid", tmp_path / "cleaned"
    script = f"trap 'touch {cleaned}; exit 0' TERM; sleep 60 & echo $! >{note}; wait"
    running = subprocess.Popen(contained(script))
    assert wait_for(lambda: note.exists() and note.read_text() != "")
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=60) == 128 + signal.SIGTERM
    assert cleaned.exists()
    assert not is_running(int(note.read_text()))


def test_it_reads_no_standard_input() -> None:
    read_end, write_end = os.pipe()
    try:
        done = subprocess.run(contained("cat"), stdin=read_end, timeout=30, capture_output=True)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert (done.returncode, done.stdout) == (0, b"")
