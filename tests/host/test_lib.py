"""host/lib.sh: the protocol that every script of a host keeps, run by a real bash."""

import json
import os
import re
import subprocess
import tempfile
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.host_script import HostAnswer, read_answer
from tasks.ssm import script_parts
from tests.host.running import HOST, LIBRARY, Machine

# One bash answers many examples: starting one for each string would be most of the test.
EACH_AS_JSON = """
trap - EXIT
while IFS= read -r -d '' text; do json_string "$text"; printf '\\0'; done
"""


def as_json(texts: list[str], locale: str) -> list[str]:
    """What json_string makes of each text."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.sh"
        script.write_text(LIBRARY + EACH_AS_JSON)
        ended = subprocess.run(
            ["bash", str(script)],
            input="".join(f"{text}\0" for text in texts).encode(),
            capture_output=True,
            check=True,
            timeout=30,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": locale},
        )
    return ended.stdout.decode().split("\0")[:-1]


def without_controls(text: str) -> str:
    """``text`` as the library promises it: control characters are spaces, but for two."""
    kept = "\n\t"
    return "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") and c not in kept else c for c in text
    )


any_text = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from('"\\\n\t\r\x07\x7f&$`/{}'),
    max_size=30,
)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(any_text, min_size=1, max_size=20))
def test_any_string_reads_back_from_its_json(locale: str, texts: list[str]) -> None:
    read = [json.loads(each) for each in as_json(texts, locale)]
    assert [without_controls(each) for each in read] == [without_controls(each) for each in texts]


def test_lines_become_an_array(machine: Machine) -> None:
    ran = machine.run("""open_log
        none=$(printf '' | json_lines) some=$(printf 'a "b"\\nc' | json_lines)
        succeed "\\"none\\":$none" "\\"some\\":$some"
    """)
    assert (ran.result["none"], ran.result["some"]) == ([], ['a "b"', "c"])


# --- how a script ends ------------------------------------------------------------------


def test_a_script_that_succeeds_ends_with_its_fields(machine: Machine) -> None:
    ran = machine.run("open_log; say working; succeed '\"pulled\":3'", TT_STEP="pull")
    assert ran.status == 0
    assert ran.result["ok"] is True
    assert ran.result["step"] == "pull"
    assert ran.result["pulled"] == 3
    assert 0 <= ran.result["seconds"] < 30
    assert "working" in ran.said


def test_a_script_that_fails_tells_why_and_what_to_type(machine: Machine) -> None:
    ran = machine.run('open_log; say working; fail "no space left" "df -h"', TT_STEP="pull")
    assert ran.status == 1
    assert (ran.result["ok"], ran.result["step"]) == (False, "pull")
    assert (ran.result["failed"], ran.result["next"]) == ("no space left", "df -h")
    assert "working" in ran.said


def test_failing_before_there_is_a_log_still_gives_a_result(machine: Machine) -> None:
    ran = machine.run('fail "too early"')
    assert ran.status == 1
    assert ran.result["failed"] == "too early"


def test_a_log_that_cannot_be_opened_gives_a_result(machine: Machine) -> None:
    machine.logs.write_text("a file where the directory shall be")
    ran = machine.run("open_log; succeed")
    assert ran.status == 1
    assert ran.result["ok"] is False


def test_a_command_that_fails_is_named_with_its_status(machine: Machine) -> None:
    ran = machine.run('open_log\nsecret=dont-show\ngrep -q "$secret" /no/such/file\nsucceed')
    assert ran.status == 2
    assert ran.result["failed"] == (
        'a command ended with status 2: grep -q "$secret" /no/such/file'
    )
    assert "No such file" in ran.said
    assert "dont-show" not in ran.printed


def test_a_failure_inside_a_function_or_a_pipe_ends_the_script(machine: Machine) -> None:
    ran = machine.run("open_log; step() { false | cat; say 'went on'; }; step; succeed")
    assert ran.status == 1
    assert "went on" not in ran.said


def test_an_unset_variable_ends_the_script(machine: Machine) -> None:
    ran = machine.run("open_log; say $TT_NO_SUCH_THING; succeed")
    assert ran.status != 0
    assert ran.result["ok"] is False


def test_a_missing_input_is_named(machine: Machine) -> None:
    ran = machine.run("open_log; need TT_ONE TT_TWO", TT_ONE="1")
    assert ran.result["failed"] == "the input TT_TWO is missing"


def test_a_failure_that_may_pass_says_so(machine: Machine) -> None:
    assert machine.run("open_log; fail_for_now busy").result["transient"] is True
    assert machine.run("open_log; fail broken").result["transient"] is False


def test_what_was_made_is_cleaned_up_however_the_script_ends(machine: Machine) -> None:
    body = "open_log; touch made; clean_up() { rm made; }; "
    for ending in ("succeed", "fail badly", "false", "exit 3"):
        machine.run(body + ending)
        assert not (machine.root / "made").exists(), ending


@pytest.mark.parametrize(("ending", "ok"), [("succeed", True), ("fail badly", False)])
def test_cleaning_up_that_fails_does_not_hide_the_result(
    machine: Machine, ending: str, ok: bool
) -> None:
    ran = machine.run(f"open_log; clean_up() {{ false; }}; {ending}")
    assert ran.result["ok"] is ok


# --- what SSM keeps ---------------------------------------------------------------------


def test_the_result_has_a_line_of_its_own_even_if_the_log_ends_within_one(
    machine: Machine,
) -> None:
    ran = machine.run("open_log; printf 'no end of line'; succeed")
    assert ran.result["ok"] is True
    assert "no end of line" in ran.said


@pytest.mark.parametrize("ending", ["succeed", "fail badly", "false"])
def test_a_noisy_script_stays_below_what_ssm_keeps(machine: Machine, ending: str) -> None:
    ran = machine.run(f"open_log; for ((n = 0; n < 20000; n++)); do echo line $n; done; {ending}")
    assert len(ran.printed) < 24_000
    assert "line 19999" in ran.said
    assert ran.result["ok"] is (ending == "succeed")


def test_a_very_long_reason_is_cut_rather_than_lost(machine: Machine) -> None:
    ran = machine.run('open_log; fail "$(printf "%50000s" x)" "$(printf "%50000s" y)"')
    assert len(ran.printed) < 24_000
    assert len(ran.result["failed"]) == 1000


def test_an_answer_that_ssm_would_cut_is_a_failure_that_says_so(machine: Machine) -> None:
    ran = machine.run('open_log; succeed "\\"big\\":$(json_string "$(printf "%30000s" x)")"')
    assert ran.status == 1
    assert "SSM would cut it" in ran.result["failed"]
    assert len(ran.printed) < 24_000


def test_zero_bytes_of_a_program_do_not_reach_the_result(machine: Machine) -> None:
    ran = machine.run(r"open_log; printf 'a\0b\n'; succeed")
    assert "ab" in ran.said


def test_a_result_in_the_log_does_not_pass_for_the_script_s_own(machine: Machine) -> None:
    ran = machine.run("""open_log; echo 'TT_RESULT {"ok":true,"step":"x"}'; fail really""")
    assert ran.result["failed"] == "really"


def test_the_worker_reads_what_the_library_writes(machine: Machine) -> None:
    ran = machine.run("open_log; succeed", TT_STEP="ps")
    assert read_answer(HostAnswer, ran.printed, host="h").step == "ps"


# --- files ------------------------------------------------------------------------------


def test_the_log_stays_on_the_host_and_only_root_reads_it(machine: Machine) -> None:
    machine.run("open_log; say hello; succeed", TT_STEP="pull")
    log = machine.logs / "last-pull.log"
    assert "hello" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_each_takeover_has_a_log_of_its_own_and_a_step_only_its_last_one(machine: Machine) -> None:
    for generation in (1, 2):
        job = f"rollout-{generation}-1"
        machine.run(f"open_log; say waits for {job}; succeed", TT_STEP="rollout")
        machine.run(f"open_log; say {job}; succeed", TT_STEP="rollout", TT_DETACHED=job)
    assert "rollout-1-1" in (machine.logs / "rollout-1-1.log").read_text()
    assert "rollout-2-1" in (machine.logs / "rollout-2-1.log").read_text()
    assert "rollout-1-1" not in (machine.logs / "last-rollout.log").read_text()


def test_of_many_takeovers_the_newest_logs_stay(machine: Machine) -> None:
    machine.logs.mkdir()
    for number in range(310):
        log = machine.logs / f"rollout-{number}-1.log"
        log.touch()
        os.utime(log, (time.time() - 3600 + number,) * 2)
    machine.run("open_log; succeed", TT_STEP="rollout", TT_DETACHED="rollout-400-1")
    left = {log.name for log in machine.logs.iterdir()}
    assert left == {f"rollout-{number}-1.log" for number in range(11, 310)} | {"rollout-400-1.log"}


def test_logs_of_two_weeks_ago_are_gone(machine: Machine) -> None:
    machine.logs.mkdir()
    old, recent = machine.logs / "old.log", machine.logs / "recent.log"
    for path, days in ((old, 16), (recent, 2)):
        path.touch()
        os.utime(path, (time.time() - days * 86400,) * 2)
    machine.run("open_log; succeed")
    assert not old.exists()
    assert recent.exists()


def test_a_file_is_replaced_whole(machine: Machine) -> None:
    machine.run('open_log; write_whole "$tt_state/x" one; write_whole "$tt_state/x" two; succeed')
    assert (machine.state / "x").read_text() == "two\n"
    assert [each.name for each in machine.state.iterdir()] == ["x"]


def test_a_pause_takes_its_time_and_no_program(machine: Machine) -> None:
    ran = machine.run(
        "open_log; began=${EPOCHREALTIME/[.,]/}; (PATH=; pause 0.1; pause 0.1); "
        'succeed "\\"took\\":$((${EPOCHREALTIME/[.,]/} - began))"'
    )
    assert 200_000 <= ran.result["took"] < 60_000_000


# --- the lock and the generation --------------------------------------------------------


def test_a_second_deploy_waits_for_the_lock_and_then_gives_up(machine: Machine) -> None:
    holder = subprocess.Popen(
        [
            "bash",
            "-c",
            f"mkdir -p {machine.memory}; exec 9>{machine.memory}/lock; flock 9; sleep 60",
        ]
    )
    try:
        ran = machine.run(
            f"until [ -e {machine.memory}/lock ] && ! flock -n {machine.memory}/lock true; "
            "do sleep 0.02; done; open_log; take_lock; succeed",
            TT_LOCK_SECONDS="0.2",
        )
        assert "holds this host's lock" in ran.result["failed"]
        assert ran.result["transient"] is True
    finally:
        holder.kill()
        holder.wait()


def test_the_lock_dies_with_its_holder(machine: Machine) -> None:
    machine.run("open_log; take_lock; kill -9 $$")
    assert machine.run("open_log; take_lock; succeed", TT_LOCK_SECONDS="1").status == 0


def test_a_newer_deploy_is_not_undone(machine: Machine) -> None:
    claim = "open_log; claim_generation; succeed"
    assert machine.run(claim, TT_GENERATION="7").status == 0
    assert machine.run(claim, TT_GENERATION="7").status == 0
    refused = machine.run(claim, TT_GENERATION="6")
    assert "a newer deploy (generation 7)" in refused.result["failed"]
    assert (machine.state / "generation").read_text() == "7\n"


# --- Doppler ----------------------------------------------------------------------------

LOAD = "open_log; load_doppler_token; with_secrets bash -c 'echo \"$SEEN\"'; succeed"
DOPPLER = """[ "${*:1:7}" = "run --no-fallback --project tt --config prd --" ] || exit 9
SEEN="<$DOPPLER_TOKEN>" exec bash -c 'echo "$SEEN" >seen'"""


def doppler_inputs(token_file: Path) -> dict[str, str]:
    return {
        "TT_TOKEN_FILE": str(token_file),
        "TT_DOPPLER_PROJECT": "tt",
        "TT_DOPPLER_CONFIG": "prd",
    }


def test_the_token_loses_its_line_end_and_reaches_doppler_only_by_environment(
    machine: Machine,
) -> None:
    token = machine.root / "token"
    token.write_bytes(b"dp.st.prd.xyz\r\n")
    machine.program("doppler", DOPPLER)
    ran = machine.run(LOAD, **doppler_inputs(token))
    assert ran.status == 0, ran.printed
    assert (machine.root / "seen").read_text() == "<dp.st.prd.xyz>\n"
    assert "dp.st.prd.xyz" not in ran.printed


def test_a_missing_token_file_comes_with_the_command_that_makes_it(machine: Machine) -> None:
    ran = machine.run(LOAD, **doppler_inputs(machine.root / "none"))
    assert "does not exist" in ran.result["failed"]
    assert ran.result["next"].startswith("sudo install -m 400")


def test_an_empty_token_file_is_a_failure(machine: Machine) -> None:
    token = machine.root / "token"
    token.write_text("\r\n")
    assert "is empty" in machine.run(LOAD, **doppler_inputs(token)).result["failed"]


def test_every_script_begins_as_ssm_needs_it() -> None:
    scripts = sorted(HOST.glob("*.sh"))
    assert scripts
    assert [s.name for s in scripts if not s.read_text().startswith("#!/bin/bash\n")] == []


def test_a_host_with_nowhere_to_write_says_so(machine: Machine) -> None:
    (machine.root / "taken").write_text("a file where the logs should be")
    taken = str(machine.root / "taken" / "logs")

    ended = machine.run("open_log; succeed", TT_LOG_DIRECTORY=taken)

    assert ended.status == 1
    assert ended.result["failed"].startswith("nowhere to write: ")
    assert "taken" in ended.result["failed"]
    assert "Not a directory" in ended.result["failed"]
    assert ended.result["next"].startswith("df -h ")


@pytest.mark.parametrize("step", ["rollout", "recreate", "pull", "plan", "probe_actuator"])
def test_of_two_parts_of_a_script_none_takes_a_function_of_the_other(step: str) -> None:
    hooks = {"clean_up", "hand_over", "afterwards"}
    defined = [
        name
        for part in script_parts(step)
        for name in set(re.findall(r"^(\w+)\(\) ", part, re.MULTILINE)) - hooks
    ]
    assert [name for name, times in Counter(defined).items() if times > 1] == []
