import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.redaction import MASK, redact

SECRETS = {
    "Doppler service token": "dp.st.prd.AbCdEfGhIjKlMnOpQrStUvWx",
    "GitHub token": "ghp_" + "a1B2" * 9,
    "GitHub fine-grained token": "github_pat_" + "a1B2_" * 8,
    "Slack token": "xoxb-1234567890-abcdefghij",
    "AWS access key id": "AKIA" + "ABCDEFGH23456789",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.s1gnature-of_it",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "private key that is cut off": "-----BEGIN PRIVATE KEY-----\nMIIEow\nAAAA",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("around", ["{}", "before {}", "x={}", '{{"a": "{}"}}', "({})"])
def test_a_credential_is_known_by_its_shape(secret: str, around: str) -> None:
    assert secret not in redact(around.format(secret))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("POSTGRES_PASSWORD=correct-horse", "correct-horse"),
        ("REDIS_PASSWORD: correct-horse", "correct-horse"),
        ('{"jwtSecret": "correct-horse"}', "correct-horse"),
        (r"{\"client_secret\":\"correct-horse\"}", "correct-horse"),
        ("?access_token=correct-horse&x=1", "correct-horse"),
        ("X-Api-Key: correct-horse", "correct-horse"),
        ("aws_access_key_id = correcthorse", "correcthorse"),
        ("Authorization: Basic dXNlcjpwdw==", "dXNlcjpwdw=="),
        ('"authorization": "Bearer opaque"', "opaque"),
        ("postgresql://app:pw@db:5432/tt", "pw@"),
        ("https://token@github.com/a/b.git", "token@"),
        ("redis://:pw@redis-node-1:7000", "pw@"),
        ("https://" + "t" * 500 + "@host", "ttt"),
        ("POST https://hooks.slack.com/services/T01AB/B02CD/x1y2z3", "x1y2z3"),
        ("http://localhost:5013/services/T1/B1/x1y2z3", "B1"),
        ("x" * 200 + "_password=correct-horse", "correct-horse"),
    ],
)
def test_a_secret_is_known_by_where_it_stands(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert MASK in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Pulled localhost:5000/tt-lab/tt-backend@sha256:" + "a" * 64,
        "the token file /etc/tt-secrets/doppler-token is empty",
        "commit 0123456789abcdef0123456789abcdef01234567 by somebody",
        "https://github.com/tt-lab/tt-backend/compare/v0.1.0...v0.1.1",
        "12:01:02 redis-cluster-init ended with status 3",
        "",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert redact(text) == text


def test_the_name_of_a_secret_stays_so_that_one_can_look_for_it() -> None:
    assert redact("REDIS_PASSWORD=correct-horse") == f"REDIS_PASSWORD={MASK}"


def test_a_value_of_three_characters_is_left_since_it_would_only_garble() -> None:
    assert redact("the dog", ["dog"]) == "the dog"


def test_values_that_overlap_leave_no_end_standing() -> None:
    assert redact("<abcdXYef>", ["abcdXY", "XYef"]) == f"<{MASK}>"


def test_each_line_of_a_value_is_a_secret_too() -> None:
    assert redact("saw: second line", ["first line\nsecond line"]) == f"saw: {MASK}"


known_values = st.lists(
    st.text(st.characters(exclude_characters=MASK, exclude_categories=["Cs"]), min_size=4),
    max_size=4,
)


@given(values=known_values, between=st.lists(st.text(max_size=20), min_size=5, max_size=5))
def test_no_known_value_survives(values: list[str], between: list[str]) -> None:
    text = "".join(a + b for a, b in zip(between, [*values, ""] + [""] * 4, strict=False))
    clean = redact(text, values)
    assert not [value for value in values if value in clean]


@given(st.text(string.ascii_letters + string.digits + "=:/@.-_\"' \n", max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "unit",
    [
        "eyJ-",
        "eyJaaaaaaaaaa.",
        "a-",
        "token",
        "token ",
        "password_",
        "authorization ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "PRIVATE KEY",
        "a://",
        "a.",
        "dp.st.",
        "/services/T",
        "xoxb-",
        "=:",
        " ",
        "\\",
        "a@",
    ],
)
def test_hostile_text_takes_time_in_proportion_to_its_length(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        started = time.process_time()
        redact(text, ["some-known-value"])
        return time.process_time() - started

    # Quadratic would be 64 times as long, and minutes.
    short, long = min(seconds(8_000) for _ in range(3)), seconds(512_000)
    assert long < 64 * short * 4 + 0.5
