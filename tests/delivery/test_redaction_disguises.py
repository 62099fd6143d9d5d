"""Trying to get a known secret, or somebody's data, past the redactor."""

import base64
import html
import json
import random
import shlex
import string
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.redaction import MASK, redact

SECRET = 'corr/ect+horse "battery" <staple>\\é한'
SIMPLE = "correct-horse-battery"
PRIVATE_KEY = "line one of the key\nline two of the key\n  line three"


def colours(text: str) -> str:
    """Split by colour codes, as a tool that highlights what it found would."""
    return "\x1b[1;31m".join(text[at : at + 3] for at in range(0, len(text), 3)) + "\x1b[0m"


DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": lambda s: s,
    "coloured": colours,
    "with zero-width characters": lambda s: "\u200b".join(s),
    "with soft hyphens and marks of direction": lambda s: "\u00ad\u202e".join(s),
    "as a hyperlink of a terminal": lambda s: f"\x1b]8;;http://x\x07{s}\x1b]8;;\x07",
    "wrapped": lambda s: "\n    ".join(s[at : at + 5] for at in range(0, len(s), 5)),
    "percent-encoded": lambda s: quote(s, safe=""),
    "percent-encoded in lower case": lambda s: (
        quote(s, safe="").lower() if s == s.lower() else quote(s, safe="")
    ),
    "as a form's field": quote_plus,
    "percent-encoded twice": lambda s: quote(quote(s, safe=""), safe=""),
    "every byte percent-encoded": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()),
    "in JSON": json.dumps,
    "in JSON as it reads": lambda s: json.dumps(s, ensure_ascii=False),
    "in JSON in JSON": lambda s: json.dumps(json.dumps({"a": s})),
    "every letter escaped": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "as bytes of Python": lambda s: repr(s.encode()),
    "as a string of Python": repr,
    "in HTML": html.escape,
    "in HTML by number": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "quoted for a shell": shlex.quote,
    "escaped for a shell": lambda s: "".join(f"\\{c}" if not c.isalnum() else c for c in s),
    "decomposed": lambda s: unicodedata.normalize("NFD", s),
    "in hexadecimal": lambda s: s.encode().hex(),
    "in capitals of hexadecimal": lambda s: s.encode().hex().upper(),
    "in base64": lambda s: base64.b64encode(s.encode()).decode(),
    "in base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "in base64 without its end": lambda s: base64.b64encode(s.encode()).decode().rstrip("="),
    "in base64 of a login": lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
    "in base64 amid others": lambda s: base64.b64encode(f"ab{s}cd".encode()).decode(),
    "in wrapped base64": lambda s: "\n".join(
        base64.b64encode((s * 4).encode()).decode()[at : at + 16] for at in range(0, 200, 16)
    ),
}


def leaks(clean: str, secret: str) -> list[str]:
    """What can still be read of a secret of words: any word of it, decoded or not."""
    seen = unicodedata.normalize("NFC", clean.replace("\x1b[1;31m", "").replace("\u200b", ""))
    return [word for word in secret.replace("-", " ").split() if len(word) > 4 and word in seen]


@pytest.mark.parametrize("secret", [SECRET, SIMPLE], ids=["hostile", "simple"])
@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES.keys())
def test_a_known_secret_is_found_in_its_disguise(
    disguise: Callable[[str], str], secret: str
) -> None:
    hidden = disguise(secret)
    for text in (hidden, f"saw {hidden} there", f"x={hidden}&y=1"):
        clean = redact(text, [secret])
        assert MASK in clean
        assert hidden not in clean
        assert leaks(clean, secret) == []


def test_nothing_of_a_base64_login_is_left_standing() -> None:
    login = base64.b64encode(f"x-access-token:{SIMPLE}".encode()).decode()
    assert redact(f"header {login} sent", [SIMPLE]) == f"header {MASK} sent"


def test_bytes_that_are_no_utf8_are_read_as_latin1() -> None:
    assert redact("saw %e9t%e9-secret1", ["été-secret1"]) == f"saw {MASK}"
    assert redact(r"saw \xe9t\xe9-secret1", ["été-secret1"]) == f"saw {MASK}"


@pytest.mark.parametrize("line", PRIVATE_KEY.splitlines())
@pytest.mark.parametrize("around", ["{}", "\x1b[2m  {}\x1b[0m", '"{}\\n"'])
def test_each_line_of_a_long_secret_is_one(line: str, around: str) -> None:
    assert line.strip() not in redact(around.format(line), [PRIVATE_KEY])
    assert "line" not in redact(json.dumps(PRIVATE_KEY), [PRIVATE_KEY])


words = st.text(string.ascii_letters + string.digits + "-_/+.:!$%&é한 ", min_size=8, max_size=40)


@given(
    secret=words.map(str.strip).filter(lambda s: len(s) >= 8),
    disguise=st.sampled_from(sorted(DISGUISES)),
    before=st.text(max_size=10),
    after=st.text(max_size=10),
)
def test_no_secret_survives_any_disguise(
    secret: str, disguise: str, before: str, after: str
) -> None:
    hidden = DISGUISES[disguise](secret)
    clean = redact(f"{before} {hidden} {after}", [secret])
    assert hidden not in clean
    assert secret not in clean


@given(text=st.text(string.printable + "\x1b\u200b%\\", max_size=200))
def test_without_a_secret_nothing_is_lost_but_secrets(text: str) -> None:
    """What is not masked stays, character by character and in order."""
    pieces = redact(text).split(MASK)
    at = 0
    for piece in pieces:
        at = text.index(piece, at) + len(piece)
    assert len(pieces) > 1 or pieces[0] == text


CREDENTIALS = {
    "GitHub token": "ghp_" + "a1B2" * 9,
    "Doppler token": "dp.st.prd." + "AbCdEfGhIjKlMnOp",
    "webhook": "https://hooks.slack.com/services/T01AB/B02CD/x1y2z3",
    "e-mail": "kim.chehyeon@example.co.kr",
}


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize(
    "disguise",
    [
        "coloured",
        "with zero-width characters",
        "percent-encoded",
        "every letter escaped",
        "in JSON",
    ],
)
def test_a_shape_is_known_in_disguise_too(name: str, disguise: str) -> None:
    hidden = DISGUISES[disguise](CREDENTIALS[name])
    assert hidden not in redact(f"said {hidden} here")


PEOPLE = {
    "kim@example.com",
    "KIM.c+tt@mail.example.co.kr",
    "김철수@예시.한국",
    "010-1234-5678",
    "01012345678",
    "010 1234 5678",
    "+82-10-1234-5678",
    "+82 10 1234 5678",
    "+8201012345678",
    "016-234-5678",
    "02-123-4567",
    "031-1234-5678",
    "070-1234-5678",
    "900101-1234567",
    "900101 2234567",
    "010101-3234567",
    "8.8.8.8",
    "203.0.112.7",
    "2606:4700:4700::1111",
}


@pytest.mark.parametrize("data", sorted(PEOPLE))
@pytest.mark.parametrize("around", ["{}", "of {},", '{{"user": "{}"}}', "({})", "{}\nnext"])
def test_what_points_at_a_person_is_taken_out(data: str, around: str) -> None:
    clean = redact(around.format(data))
    assert data not in clean
    assert clean == around.format(MASK)
    assert redact(data, personal=False) == data


def test_a_resident_number_without_a_dash_must_add_up() -> None:
    assert redact("9001011234568") == MASK
    assert redact("9001011234567") == "9001011234567"


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:tt/app.git",
        "noreply@github.com",
        "getty@tty1.service failed",
        "localhost:5000/tt/app@sha256:" + "a" * 64,
        "eslint@9.1.0",
        "10.0.0.3, 172.17.0.2, 192.168.1.1, 127.0.0.1:8080, 169.254.169.254, 0.0.0.0",
        "::1 and fe80::1",
        "generation 1764109500123",
        "2026-11-25T12:01:02.123456Z",
        "2026:11:25 12:00",
        "0101-2345",
        "commit 0101234567890123456789012345678901234567",
        "i-0101234567890abcd",
        "v1.2.3.4 and 999.1.1.1",
        "900101-9234567 and 901301-1234567",
        "02-12-2026",
    ],
)
def test_what_points_at_nobody_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "unit",
    ["%41", "%", "\\u0041", "\\", "&amp;", "&#", "\x1b[", "\x1b]", "\u200b", "a@a.", "1.", "2:",
     "82-", "0", "Y29ycmVjd", "correct-"],
)  # fmt: skip
def test_a_long_text_takes_time_in_proportion_to_its_length(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        started = time.process_time()
        redact(text, [SIMPLE, SECRET])
        return time.process_time() - started

    # Quadratic would be 32 times as long, and minutes.
    short, long = min(seconds(4_000) for _ in range(3)), seconds(128_000)
    assert long < 32 * short * 4 + 0.5


def test_a_random_text_is_left_alone() -> None:
    random.seed(1)
    text = "".join(random.choices(string.ascii_lowercase + " ", k=20_000))
    assert redact(text, [SIMPLE, SECRET]) == text
