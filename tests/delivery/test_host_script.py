import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.errors import (
    BadRequest,
    HostAnswerMalformed,
    HostScriptFailed,
    HostScriptInterrupted,
    TransientError,
)
from delivery.host_script import (
    RESULT_MARK,
    HostAnswer,
    compose_script,
    last_words_of,
    read_answer,
    split_output,
)


class Freed(HostAnswer):
    freed: str


OK = RESULT_MARK + '{"ok":true,"step":"prune","seconds":1.5,"freed":"12MB"}'


def test_a_script_begins_with_its_shebang_since_ssm_would_run_sh() -> None:
    script = compose_script(["#!/bin/bash\nlibrary=1\n", "#!/bin/bash\nbody=1\n"], {"TT_A": "x y"})
    assert script == "#!/bin/bash\nexport TT_A='x y'\nlibrary=1\n\nbody=1\n\n"


def test_a_library_without_a_shebang_is_kept_whole() -> None:
    assert "\nfirst=1\n" in compose_script(["first=1", "second=1"], {})


@pytest.mark.parametrize("name", ["PATH", "tt_a", "TT_A;reboot", "TT_", "TT_A\n", ""])
def test_an_input_has_a_name_of_ours_and_nothing_else(name: str) -> None:
    with pytest.raises(BadRequest):
        compose_script(["", ""], {name: "x"})


def test_an_input_cannot_hold_what_no_environment_can() -> None:
    with pytest.raises(BadRequest):
        compose_script(["", ""], {"TT_A": "a\0b"})


any_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(any_text, min_size=1, max_size=5))
def test_bash_sees_every_input_as_it_was_given(values: list[str]) -> None:
    inputs = {f"TT_{number}": value for number, value in enumerate(values)}
    body = "\n".join(f'printf "%s\\0" "$TT_{number}"' for number in range(len(values)))
    ran = subprocess.run(
        ["bash"],
        input=compose_script(["", body], inputs).encode(),
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert ran.stdout.decode().split("\0")[:-1] == values


def test_an_answer_is_the_last_result_line() -> None:
    answer = read_answer(Freed, f"noise\n{OK}\n", host="TT-ec2-1")
    assert answer == Freed(ok=True, step="prune", seconds=1.5, freed="12MB")


def test_a_result_line_may_end_as_windows_does() -> None:
    assert read_answer(Freed, f"noise\r\n{OK}\r\n", host="h").freed == "12MB"


def test_what_only_looks_like_a_result_is_noise() -> None:
    earlier = RESULT_MARK + '{"ok":false}'
    assert split_output(f"{earlier}\nafterwards\n{OK}") == (
        f"{earlier}\nafterwards",
        OK.removeprefix(RESULT_MARK),
    )


def test_a_script_without_a_result_is_an_error_that_shows_its_end() -> None:
    with pytest.raises(HostAnswerMalformed) as caught:
        read_answer(Freed, "Killed", host="TT-ec2-1", noise="signal 9")
    assert caught.value.where == "TT-ec2-1"
    assert caught.value.last_words == "Killed\nsignal 9"


@pytest.mark.parametrize("line", ["", "{", "[]", '"x"', "null", "[" * 5000])
def test_a_result_that_is_no_json_object_is_an_error(line: str) -> None:
    with pytest.raises(HostAnswerMalformed):
        read_answer(Freed, RESULT_MARK + line, host="h")


@pytest.mark.parametrize(
    "fields",
    [
        {"ok": True, "step": "prune"},
        {"ok": True, "step": "prune", "freed": "1", "more": 2},
        {"ok": True, "step": "prune", "freed": 7},
    ],
)
def test_an_answer_of_another_form_is_an_error(fields: dict[str, object]) -> None:
    with pytest.raises(HostAnswerMalformed, match="Freed"):
        read_answer(Freed, RESULT_MARK + json.dumps(fields), host="h")


def test_a_script_that_failed_tells_in_its_own_words() -> None:
    said = {"ok": False, "step": "pull", "failed": "no space left", "next": "df -h"}
    with pytest.raises(HostScriptFailed) as caught:
        read_answer(Freed, f"tail\n{RESULT_MARK}{json.dumps(said)}", host="TT-ec2-1")
    assert caught.value.message == "The step 'pull' failed on the host: no space left"
    assert caught.value.last_words == "tail"
    assert caught.value.next_command == "df -h"


def test_what_may_pass_is_worth_another_try_and_nothing_else() -> None:
    said = {"ok": False, "step": "pull", "failed": "registry away", "transient": True}
    with pytest.raises(HostScriptInterrupted):
        read_answer(Freed, RESULT_MARK + json.dumps(said), host="h")
    with pytest.raises(HostScriptFailed) as caught:
        read_answer(Freed, RESULT_MARK + json.dumps({**said, "transient": False}), host="h")
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize("ok", ["true", 1, None])
def test_only_true_is_well(ok: object) -> None:
    said = RESULT_MARK + json.dumps({"ok": ok, "freed": "1"})
    with pytest.raises(HostScriptFailed, match="it did not say why"):
        read_answer(Freed, said, host="h")


def test_last_words_are_short_and_free_of_secrets() -> None:
    words = last_words_of("x" * 9000 + "\nPASSWORD=hunter2hunter2")
    assert len(words) <= 4000
    assert "hunter2" not in words


@given(any_text, any_text)
def test_any_string_comes_back_from_a_result_line(noise: str, value: str) -> None:
    fields = {"ok": True, "step": "prune", "freed": value}
    line = RESULT_MARK + json.dumps(fields, ensure_ascii=False)
    assert read_answer(Freed, f"{noise}\n{line}\n", host="h").freed == value


lines_of_output = st.lists(
    st.text(st.characters(exclude_characters="\r\n")) | st.just(OK), max_size=6
)


@given(before=lines_of_output, after=lines_of_output)
def test_whatever_a_host_prints_is_split_without_loss(before: list[str], after: list[str]) -> None:
    noise = [line for line in after if not line.startswith(RESULT_MARK)]
    said, line = split_output("\n".join([*before, OK, *noise]))
    assert said == "\n".join(before)
    assert line == OK.removeprefix(RESULT_MARK)


@given(st.text())
def test_output_without_a_result_is_all_said(output: str) -> None:
    plain = output.replace(RESULT_MARK, "")
    assert split_output(plain) == (plain, None)
