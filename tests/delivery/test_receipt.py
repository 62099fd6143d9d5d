"""What a takeover cost, as a person reads it."""

from delivery.receipt import Receipt, Window, failures, receipt_section
from tests.delivery.drawings import drawing

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
    assert "| TT-ec2-1 | 2 of 1234 requests, 0 of 130 probes | 120 ms |" in text
    assert "| 120 ms | 4/10 ms | 6/62 ms | not measured |" in text


def test_what_the_prober_missed_counts_beside_what_the_gateway_refused() -> None:
    away = RECEIPT.model_copy(
        update={
            "before": BEFORE.model_copy(update={"failed": 1}),
            "during": DURING.model_copy(update={"failed": 20}),
            "gateway_errors": 0,
        }
    )
    assert failures(away) == "0 of 1234 requests, 21 of 130 probes"
    assert failures(away, RECEIPT) == "2 of 2468 requests, 21 of 260 probes"
    assert "| a | 0 of 1234 requests, 21 of 130 probes |" in receipt_section([("a", away)])


def test_where_nobody_got_a_good_answer_no_latency_is_claimed() -> None:
    dead = Window(requests=30, failed=30, p50_ms=0, p99_ms=0)
    text = receipt_section([("a", RECEIPT.model_copy(update={"during": dead}))])
    assert "| 4/10 ms | no answer | not measured |" in text


def test_every_host_is_plotted_and_the_words_beside_it_have_the_figures() -> None:
    some_failed = RECEIPT.model_copy(update={"during": DURING.model_copy(update={"failed": 3})})
    text = receipt_section([("a", some_failed), ("b", RECEIPT)])
    assert text.count("data:image/svg+xml;base64,") == 1
    assert "during 6/62 ms (3 of 30 failed), after not measured; b (failed: 2 of" in text
    drawn = drawing(text)
    assert drawn.count("6/62 ms") == 2
    assert drawn.count("3 of 30 failed") == 1
