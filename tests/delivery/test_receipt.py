"""What a takeover cost, as a person reads it."""

from delivery.receipt import Receipt, Window, receipt_section

BEFORE = Window(requests=100, failed=0, p50_ms=4.2, p99_ms=9.9)
DURING = Window(requests=30, failed=0, p50_ms=6.0, p99_ms=61.5)
NONE = Window(requests=0, failed=0, p50_ms=0, p99_ms=0)
RECEIPT = Receipt(
    before=BEFORE,
    during=DURING,
    after=NONE,
    longest_gap_ms=120.4,
    gateway_requests=1234,
    gateway_errors=2,
)


def test_without_a_receipt_there_is_no_section() -> None:
    assert receipt_section([]) == ""


def test_a_host_is_a_row_and_what_was_not_measured_says_so() -> None:
    text = receipt_section([("TT-ec2-1", RECEIPT)])
    assert "| TT-ec2-1 | 1234 | 2 | 120 ms | 4/10 ms | 6/62 ms | not measured |" in text


def test_the_first_host_is_plotted() -> None:
    text = receipt_section([("a", RECEIPT), ("b", RECEIPT)])
    assert text.count("```mermaid") == 1
    assert "bar [9.9, 61.5, 0.0]" in text
    assert "line [4.2, 6.0, 0.0]" in text
