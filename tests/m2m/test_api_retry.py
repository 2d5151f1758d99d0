"""Verdicts on failed API calls, and the arithmetic of an outage."""

from __future__ import annotations

import pytest

from landsat_async.errors import (
    BadReply,
    CertificateUntrusted,
    DatasetRefused,
    EndpointGone,
    M2MError,
    OutcomeUnknown,
    QuotaReached,
    RateLimited,
    RequestRefused,
    ServiceDown,
    ServiceError,
    SessionExpired,
)
from landsat_async.m2m.api_retry import (
    History,
    OutageKind,
    Verdict,
    after_failure,
    judge,
    may_wait,
    outage_kind,
)


def m2m(kind: type[M2MError], code: str = "X", **more: object) -> M2MError:
    return kind("text", code=code, endpoint="e", **more)


DOWN = ServiceDown("down")
RAISE, LOGIN, CLOSE, REPEAT, SUSPECT = (
    Verdict.RAISE, Verdict.LOGIN_AGAIN, Verdict.CLOSE_FOR_ALL, Verdict.REPEAT, Verdict.SUSPECT_INPUT,
)  # fmt: skip


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (m2m(SessionExpired), LOGIN),
        (m2m(RateLimited), CLOSE),
        (m2m(QuotaReached), RAISE),
        (m2m(RequestRefused), RAISE),
        (m2m(DatasetRefused), RAISE),
        (m2m(EndpointGone), RAISE),
        (m2m(M2MError), REPEAT),
        (DOWN, CLOSE),
        (ServiceDown("x", http_status=500), CLOSE),
        (ServiceDown("x", maintenance=True, http_status=200), CLOSE),
        (BadReply("x"), REPEAT),
        (BadReply("x", reference="reply-too-large"), RAISE),
        (OutcomeUnknown("x"), RAISE),
        (CertificateUntrusted("x"), RAISE),
        (ServiceError("x", reference="proxy-login"), RAISE),
    ],
)
@pytest.mark.parametrize("input_matters", [True, False])
def test_the_first_failure(error, verdict, input_matters):
    assert judge(error, History().after(error), input_matters=input_matters) is verdict


@pytest.mark.parametrize(
    ("error", "with_input", "without_input"),
    [
        (ServiceDown("x", http_status=500), SUSPECT, CLOSE),
        (ServiceDown("x", reference="timeout"), SUSPECT, CLOSE),
        (ServiceDown("x", http_status=502), CLOSE, CLOSE),
        (ServiceDown("x", http_status=503), CLOSE, CLOSE),
        (ServiceDown("x", http_status=200), CLOSE, CLOSE),
        (DOWN, CLOSE, CLOSE),
        (m2m(M2MError), SUSPECT, REPEAT),
        (m2m(RateLimited), CLOSE, CLOSE),
        (BadReply("x"), RAISE, RAISE),
    ],
)
@pytest.mark.faults("A03", "A09", "A20")
def test_A09_the_third_equal_failure(error, with_input, without_input):
    history = History().after(error).after(error).after(error)
    assert history.equal == 3
    assert judge(error, history, input_matters=True) is with_input
    assert judge(error, history, input_matters=False) is without_input


def test_A09_a_message_that_changes_does_not_hide_that_the_failure_is_the_same():
    history = History()
    for number in range(3):
        history = history.after(M2MError(f"request {number} failed", code="SERVER_ERROR", endpoint="e"))
    assert history.equal == 3


def test_different_failures_are_repeated_five_times():
    history = History()
    verdicts = []
    for number in range(5):
        error = BadReply(f"cut at {number}")
        history = history.after(error)
        verdicts.append(judge(error, history, input_matters=True))
    assert verdicts == [REPEAT] * 4 + [RAISE]


@pytest.mark.parametrize(("code", "rounds"), [("AUTH_EXPIRED", 2), ("HTTP_403", 1)])
@pytest.mark.faults("A07", "B06")
def test_B06_logins_are_bounded(code, rounds):
    error = m2m(SessionExpired, code)
    assert judge(error, History(logins=rounds - 1), input_matters=True) is LOGIN
    assert judge(error, History(logins=rounds), input_matters=True) is RAISE


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DOWN, OutageKind.NETWORK),
        (ServiceDown("x", http_status=503), OutageKind.SERVER),
        (ServiceDown("x", http_status=200, maintenance=True), OutageKind.MAINTENANCE),
        (m2m(RateLimited), OutageKind.BUSY),
        (m2m(M2MError), OutageKind.SERVER),
        (BadReply("x"), OutageKind.SERVER),
    ],
)
def test_kinds_of_outages(error, kind):
    assert outage_kind(error) is kind


def waits(error, count, u):
    outage, now_s, result = None, 1000.0, []
    for _ in range(count):
        outage = after_failure(outage, error, now_s, u)
        result.append(round(outage.closed_until_s - now_s, 3))
        now_s = outage.closed_until_s
    assert outage.since_s == 1000.0
    assert outage.failures == count
    return result


def test_network_faults_are_probed_quickly_then_every_minute():
    assert waits(DOWN, 9, 1.0) == [1, 2, 4, 8, 15, 30, 60, 60, 60]
    assert waits(DOWN, 9, 0.0)[4:] == [12, 24, 48, 48, 48]


def test_server_faults_are_probed_every_minute_in_the_end():
    assert waits(ServiceDown("x", http_status=502), 9, 1.0) == [1, 2, 4, 8, 15, 30, 60, 60, 60]


def test_maintenance_is_probed_every_five_minutes_from_the_start():
    maintenance = ServiceDown("x", http_status=200, maintenance=True)
    assert waits(maintenance, 3, 1.0) == [300, 300, 300]
    assert waits(maintenance, 3, 0.0) == [240, 240, 240]


@pytest.mark.faults("A15")
def test_A15_a_busy_account_is_asked_again_soon_and_then_politely():
    assert waits(m2m(RateLimited), 4, 0.0) == [1, 5, 5, 5]
    assert waits(m2m(RateLimited), 4, 1.0) == [2, 30, 30, 30]


@pytest.mark.faults("A15")
def test_A15_the_reason_changes_after_ten_minutes():
    busy = m2m(RateLimited)
    outage = after_failure(None, busy, 0.0, 0.5)
    assert "another program" not in after_failure(outage, busy, 599.0, 0.5).reason
    assert "another program" in after_failure(outage, busy, 600.0, 0.5).reason


def test_busy_and_down_are_counted_apart():
    outage = after_failure(None, DOWN, 0.0, 0.5)
    busy = after_failure(outage, m2m(RateLimited), 10.0, 0.5)
    assert (busy.failures, busy.since_s) == (1, 10.0)


@pytest.mark.faults("A17")
def test_A17_retry_after_lengthens_a_wait_and_never_shortens_it():
    wishes = ServiceDown("x", http_status=503, retry_after_s=100.0)
    assert after_failure(None, wishes, 0.0, 0.0).closed_until_s == 100.0
    assert after_failure(None, wishes, 0.0, 0.99).closed_until_s == pytest.approx(110.89)
    maintenance = ServiceDown("x", maintenance=True, retry_after_s=1.0)
    assert after_failure(None, maintenance, 0.0, 1.0).closed_until_s == 300.0


def test_without_patience_three_tries_and_short_waits():
    outage = after_failure(None, DOWN, 0.0, 0.5)
    assert may_wait(outage, wait_s=0.5, now_s=0.0, tries=1, patience_s=0)
    assert may_wait(outage, wait_s=5.0, now_s=0.0, tries=2, patience_s=0)
    assert not may_wait(outage, wait_s=0.5, now_s=0.0, tries=3, patience_s=0)
    assert not may_wait(outage, wait_s=5.1, now_s=0.0, tries=0, patience_s=0)


def test_patience_counts_from_the_begin_of_the_outage():
    outage = after_failure(None, DOWN, 0.0, 0.5)
    assert may_wait(outage, wait_s=60, now_s=3540.0, tries=50, patience_s=3600)
    assert not may_wait(outage, wait_s=60, now_s=3541.0, tries=50, patience_s=3600)


@pytest.mark.parametrize("error", [DOWN, ServiceDown("x", maintenance=True), ServiceDown("x", retry_after_s=3000.0)])
@pytest.mark.parametrize("patience_s", [20.0, 500.0, 3600.0])
@pytest.mark.faults("A02")
def test_A02_the_last_try_comes_when_the_patience_ends(error, patience_s):
    outage, now_s, tries = None, 1000.1, 0
    while True:
        outage, tries = after_failure(outage, error, now_s, 0.7, patience_s=patience_s), tries + 1
        wait_s = outage.closed_until_s - now_s
        if not may_wait(outage, wait_s=wait_s, now_s=now_s, tries=99, patience_s=patience_s):
            break
        now_s = outage.closed_until_s
    assert patience_s - 1 <= now_s - 1000.1 <= patience_s + 0.001
    assert tries >= 2


@pytest.mark.faults("A02")
def test_A02_maintenance_without_patience_still_gets_quick_tries():
    outage = after_failure(None, ServiceDown("x", maintenance=True), 0.0, 1.0, patience_s=0.0)
    assert outage.closed_until_s == 1.0


def test_a_busy_account_gets_a_minute_even_without_patience():
    busy = after_failure(None, m2m(RateLimited), 0.0, 0.5)
    assert may_wait(busy, wait_s=30, now_s=30.0, tries=9, patience_s=0)
    assert not may_wait(busy, wait_s=30, now_s=31.0, tries=9, patience_s=0)
