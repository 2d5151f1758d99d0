"""The client against a scripted service: login, gate, waiting, lost answers. Virtual time throughout."""

from __future__ import annotations

import logging
from itertools import pairwise

import anyio
import pytest

from landsat_async.errors import (
    ConfigError,
    CredentialsError,
    DatasetRefused,
    EndpointGone,
    M2MError,
    OutcomeUnknown,
    QuotaReached,
    RateLimited,
    RequestRefused,
    ServiceDown,
    ServiceError,
)
from landsat_async.m2m.api_errors import from_answer
from landsat_async.m2m.caller import Gate
from landsat_async.m2m.client import M2MClient
from landsat_async.m2m.payloads import DataGroup
from tests.m2m.server import ACCOUNT, DISCONNECT, KEY, TOKEN, USER, Answer, bare, fail, ok, page

REQUEST = {"label": "la-1", "downloads": [("E1", "P1")]}
ACCEPTED = ok({"availableDownloads": [{"downloadId": 5, "entityId": "E1", "url": "https://h/f"}]})


# -- login and keys


async def test_the_first_call_logs_in_and_the_exit_logs_out(service, connect):
    m2m = await connect()
    assert service.requests == []
    assert await m2m.permissions() == ("user", "download", "order")
    await m2m.__aexit__(None, None, None)
    assert [r.endpoint for r in service.requests] == ["login-token", "permissions", "logout"]
    assert service.requests[0].payload == {"username": USER, "token": TOKEN}
    assert [r.headers.get("x-auth-token") for r in service.requests] == [None, KEY, KEY]


async def test_no_call_no_login_no_logout(service):
    async with M2MClient(service.url, ACCOUNT):
        pass
    assert service.requests == []


async def test_login_and_logout_can_be_asked_for(service, connect):
    m2m = await connect()
    await m2m.login()
    await m2m.login()
    await m2m.logout()
    await m2m.permissions()
    assert [r.endpoint for r in service.requests] == ["login-token", "logout", "login-token", "permissions"]


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.faults("B01", "A06")
async def test_B01_a_refused_token_is_sent_once_and_never_again(service, connect, status):
    service.always["login-token"] = fail("AUTH_INVALID", "User credential verification failed", status)
    m2m = await connect(patience_s=86400)
    errors = []

    async def one():
        with pytest.raises(CredentialsError) as caught:
            await m2m.permissions()
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(one)
    with pytest.raises(CredentialsError):
        await m2m.login()
    assert len(service.calls("login-token")) == 1
    assert errors[0].reference == "token-refused"
    assert "Application Tokens" in errors[0].hint
    assert errors[0].exit_code == 3


@pytest.mark.parametrize("code", ["AUTH_EXPIRED", "AUTH_KEY_INVALID", "AUTH_INVALID"])
@pytest.mark.parametrize("status", [200, 401, 403])
@pytest.mark.faults("B03", "A06", "B08")
async def test_B03_an_expired_key_means_one_login_and_the_same_call_again(service, connect, code, status):
    m2m = await connect()
    await m2m.permissions()
    service.play("download-retrieve", fail(code, "expired", status), ok({"requested": [{"downloadId": 1}]}))
    before_s = anyio.current_time()
    reply = await m2m.download_retrieve("la-1")
    assert reply.requested[0].download_id == 1
    assert anyio.current_time() - before_s < 5
    assert len(service.calls("login-token")) == 2
    assert all("x-auth-token" not in r.headers for r in service.calls("login-token"))
    first, second = service.calls("download-retrieve")
    assert first.payload == second.payload


@pytest.mark.faults("B04")
async def test_B04_fifty_callers_with_an_expired_key_cause_one_login(service, connect):
    m2m = await connect()
    await m2m.permissions()
    keys = iter(["second", "third"])
    service.play("login-token", *(ok(key) for key in keys))
    valid = {"second"}

    async def refuse_old_key():
        answer.body = (ok([]) if service.requests[-1].headers["x-auth-token"] in valid else fail("AUTH_EXPIRED")).body

    answer = Answer(before=refuse_old_key)
    service.always["download-search"] = answer
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(m2m.download_search)
    assert len(service.calls("login-token")) == 2
    assert len(service.calls("download-search")) == 51
    assert service.most_in_flight == 1


@pytest.mark.parametrize("data", [None, "", "a\r\nX-Evil: 1", 17, "a b", "ü"])
@pytest.mark.faults("B05")
async def test_B05_a_login_without_a_usable_key(service, connect, data):
    service.always["login-token"] = ok(data)
    m2m = await connect(patience_s=86400)
    with pytest.raises(CredentialsError) as caught:
        await m2m.permissions()
    assert caught.value.reference == "no-key"
    assert len(service.calls("login-token")) == 1
    assert service.calls("permissions") == []


@pytest.mark.faults("B06")
async def test_B06_a_key_that_is_refused_right_after_login_ends_after_two_rounds(service, connect):
    service.always["permissions"] = fail("AUTH_EXPIRED")
    m2m = await connect(patience_s=86400)
    with pytest.raises(CredentialsError, match="two programs") as caught:
        await m2m.permissions()
    assert caught.value.reference == "key-refused"
    assert len(service.calls("login-token")) == 3
    assert len(service.calls("permissions")) == 3
    with pytest.raises(CredentialsError):
        await m2m.permissions()
    assert len(service.calls("permissions")) == 3


@pytest.mark.parametrize("code", ["AUTH_UNAUTHROIZED", "AUTH_UNAUTHORIZED", "UNAUTHORIZED_USER"])
@pytest.mark.parametrize("endpoint", ["download-options", "login-token"])
@pytest.mark.faults("B07")
async def test_B07_a_missing_role_comes_with_the_steps_to_get_it(service, connect, code, endpoint):
    service.always[endpoint] = fail(code, "Your account does not have access to this endpoint")
    m2m = await connect(patience_s=86400)
    with pytest.raises(CredentialsError, match="MACHINE role") as caught:
        await m2m.download_options("d", entity_ids=["E1"])
    assert caught.value.reference == "missing-role"
    for step in ("ers.cr.usgs.gov", "Access Request", "days"):
        assert step in caught.value.hint
    assert len(service.calls(endpoint)) == 1
    assert endpoint == "login-token" or await m2m.permissions()  # what needs no role goes on


@pytest.mark.faults("B12")
async def test_B12_a_token_that_is_revoked_in_mid_run(service, connect):
    m2m = await connect(patience_s=86400)
    await m2m.permissions()
    service.always["login-token"] = fail("AUTH_INVALID")
    service.always["download-search"] = fail("AUTH_EXPIRED")
    for _ in range(3):
        with pytest.raises(CredentialsError) as caught:
            await m2m.download_search()
        assert caught.value.reference == "token-refused"
    assert len(service.calls("login-token")) == 2
    assert len(service.calls("download-search")) == 1


@pytest.mark.parametrize("answer", [bare(403), fail("AUTH_EXPIRED", status=403), DISCONNECT, page("x"), bare(200)])
@pytest.mark.faults("B13")
async def test_B13_a_logout_that_fails_is_nobodys_business(service, answer):
    service.always["logout"] = answer
    async with M2MClient(service.url, ACCOUNT) as m2m:
        await m2m.permissions()
    assert len(service.calls("logout")) == 1


@pytest.mark.faults("B13", "A15")
async def test_B13_a_logout_that_meets_a_cancelled_call_is_sent_once_more(service):
    service.play("logout", fail("RATE_LIMIT_USER"), ok(None))
    async with M2MClient(service.url, ACCOUNT) as m2m:
        await m2m.login()
    assert len(service.calls("logout")) == 2


@pytest.mark.faults("B13")
async def test_B13_a_logout_that_hangs_ends_after_three_seconds_even_when_cancelled(service):
    service.always["logout"] = ok(None, after_s=3600)
    started_s = anyio.current_time()
    with anyio.move_on_after(60):
        async with M2MClient(service.url, ACCOUNT) as m2m:
            await m2m.permissions()
            await anyio.sleep(3600)
    assert len(service.calls("logout")) == 1
    assert 62.9 < anyio.current_time() - started_s < 65


@pytest.mark.parametrize("code", ["DATASET_AUTH", "DATASET_UNAUTHORIZED", "DATASET_INVALID"])
@pytest.mark.faults("B14", "C18")
async def test_B14_a_retired_dataset_names_its_successors(service, connect, code):
    service.always["dataset"] = fail(code, "Dataset status is unavailable to this user")
    m2m = await connect(patience_s=86400)
    with pytest.raises(DatasetRefused) as caught:
        await m2m.dataset("landsat_8_c1")
    assert caught.value.exit_code == 2
    assert "landsat_ot_c2_l2" in caught.value.hint
    assert len(service.calls("dataset")) == 1


# -- error codes


@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("INPUT_PARAMETER_INVALID", "bad", RequestRefused),
        ("INPUT_PARAMETER_REQUIRED", "bad", RequestRefused),
        ("INPUT_FORMAT", "bad", RequestRefused),
        ("INPUT_INVALID", "bad", RequestRefused),
        ("NOT_FOUND", "no such scene", RequestRefused),
        ("RATE_LIMIT_USER_DL", "limit", QuotaReached),
    ],
)
@pytest.mark.faults("A01", "A06", "A16")
async def test_A01_the_error_code_decides_whatever_the_status(service, connect, status, code, message, kind):
    service.always["dataset-filters"] = fail(code, message, status)
    m2m = await connect(patience_s=86400)
    with pytest.raises(kind) as caught:
        await m2m.dataset_filters("d")
    assert (caught.value.code, caught.value.endpoint, caught.value.http_status) == (code, "dataset-filters", status)
    assert caught.value.request_id == 8
    assert len(service.calls("dataset-filters")) == 1
    assert m2m.waits == []


@pytest.mark.parametrize(
    ("code", "message"),
    [("ENDPOINT_UNAVAILABLE", "x"), ("VERSION_UNKNOWN", "x"), ("NOT_FOUND", "Invalid Endpoint")],
)
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.faults("A18")
async def test_A18_a_removed_endpoint_is_told_as_such(service, connect, code, message, status):
    service.always["download-options"] = fail(code, message, status)
    m2m = await connect(patience_s=86400)
    with pytest.raises(EndpointGone) as caught:
        await m2m.download_options("d", entity_ids=["E"])
    assert "newer landsat_async" in caught.value.hint
    assert caught.value.exit_code == 6
    assert len(service.calls("download-options")) == 1


async def test_success_wins_over_a_bad_status_when_there_is_data(service, connect):
    service.always["download-search"] = Answer(ok([{"downloadId": 1}]).body, 404)
    m2m = await connect()
    assert (await m2m.download_search())[0].download_id == 1


@pytest.mark.faults("K09")
async def test_K09_foreign_text_in_errors_is_harmless_and_bounded(service, connect):
    service.always["dataset"] = fail("INPUT_INVALID\x1b[2J", "\x1b]0;owned\x07[/red]\u202e" + "x" * 10_000)
    m2m = await connect()
    with pytest.raises(M2MError) as caught:
        await m2m.dataset("d")
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


# -- down, and back


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page("Scheduled Maintenance"), "Scheduled Maintenance"),
        (page("Web Page Blocked"), "Web Page Blocked"),
        (bare(500), "HTTP 500"),
        (bare(502), "HTTP 502"),
        (bare(503), "HTTP 503"),
        (bare(504), "HTTP 504"),
        (page("Bad &lt;b&gt;Gateway\x1b[1m", 502), "HTTP 502"),
        (bare(200), "empty"),
        (DISCONNECT, "no answer"),
        (bare(302, location="https://ers.cr.usgs.gov/login?u=1"), "redirect"),
        (bare(429), "429"),
        (Answer(b'{"data": 1', headers={"Content-Length": "400"}, cut=120), "no answer"),
    ],
)
@pytest.mark.faults("A02", "A03", "A04", "A05", "A17", "A19")
async def test_A02_A03_A04_a_service_that_is_down_is_waited_for(service, connect, answer, reason):
    m2m = await connect(patience_s=86400)
    service.play("download-retrieve", *[answer] * 6, ok({}))
    assert (await m2m.download_retrieve("la-1")).queue_size == 0
    assert len(service.calls("download-retrieve")) == 7
    assert len(m2m.waits) == 6
    assert all(reason in wait.reason for wait in m2m.waits)
    assert [wait.attempt for wait in m2m.waits] == [1, 2, 3, 4, 5, 6]
    assert all(wait.reason.isprintable() for wait in m2m.waits)
    assert all(wait.endpoint == "download-retrieve" for wait in m2m.waits)


@pytest.mark.parametrize(
    "answer", [page("Down"), page("Maintenance"), bare(503), DISCONNECT, bare(200), fail("SERVER_ERROR")]
)
@pytest.mark.faults("A02", "A03", "A04")
async def test_A03_without_patience_three_quick_tries_and_the_error(service, connect, answer):
    service.always["download-retrieve"] = answer
    m2m = await connect(patience_s=0)
    await m2m.permissions()
    before_s = anyio.current_time()
    with pytest.raises(ServiceError) as caught:
        await m2m.download_retrieve("la-1")
    assert caught.value.exit_code == 6
    assert len(service.calls("download-retrieve")) == 3
    assert anyio.current_time() - before_s < 5


@pytest.mark.faults("A02")
async def test_A02_patience_ends_with_the_last_error(service, connect):
    service.always["*"] = page("Scheduled Maintenance")
    m2m = await connect(patience_s=3600)
    before_s = anyio.current_time()
    with pytest.raises(ServiceDown) as caught:
        await m2m.permissions()
    assert caught.value.maintenance
    assert "Wednesday" in caught.value.hint
    assert 3599 <= anyio.current_time() - before_s <= 3601
    assert 10 < len(service.requests) <= 16  # one probe in five minutes


@pytest.mark.parametrize("maintenance", [True, False])
@pytest.mark.faults("A02")
async def test_A02_a_short_patience_is_used_up_with_a_try_at_its_end(service, connect, maintenance):
    service.always["*"] = page("Scheduled Maintenance") if maintenance else bare(503)
    m2m = await connect(patience_s=60)
    before_s = anyio.current_time()
    with pytest.raises(ServiceDown):
        await m2m.permissions()
    assert 59 <= anyio.current_time() - before_s <= 61
    assert service.requests[-1].at_s - service.requests[0].at_s >= 59
    assert len(service.requests) >= 5


@pytest.mark.parametrize(
    "text",
    [
        "<head><title>503 Service Temporarily Unavailable</title></head><h1>503 Service Temporarily Unavailable</h1>",
        "<head><title>503 Service Unavailable</title></head><h1>Service Unavailable</h1><p>The server is temporarily "
        "unable to service your request due to maintenance downtime\nor capacity problems. Please try again later.</p>",
    ],
)
@pytest.mark.faults("A02")
async def test_A02_an_ordinary_503_page_is_no_maintenance(service, connect, text):
    answer = Answer(f"<html>{text}</html>".encode(), status=503, headers={"Content-Type": "text/html"})
    service.play("permissions", answer)
    m2m = await connect(patience_s=86400)
    before_s = anyio.current_time()
    await m2m.permissions()
    assert anyio.current_time() - before_s <= 10
    assert "HTTP 503" in m2m.waits[0].reason


async def test_while_the_service_is_down_all_callers_together_probe_once_per_interval(service, connect):
    service.always["*"] = bare(503)
    gate = Gate()
    clients = [await connect(patience_s=7200, gate=gate) for _ in range(3)]

    async def one(client):
        with pytest.raises(ServiceDown):
            await client.download_search()

    started_s = anyio.current_time()
    async with anyio.create_task_group() as group:
        for client in clients:
            for _ in range(20):
                group.start_soon(one, client)
    times = [request.at_s - started_s for request in service.requests]
    gaps = [later - earlier for earlier, later in pairwise(times[4:])]
    assert min(gaps[:-1]) > 11
    assert min(gaps[2:-1]) > 45  # the last one is cut to what is left of the patience
    assert len(times) < 160
    assert all(len(client.waits) <= len(times) for client in clients)  # told once, not once per task


@pytest.mark.parametrize(("answer", "limit_s"), [(DISCONNECT, 75), (page("Maintenance"), 330)])
async def test_a_service_that_comes_back_is_noticed_in_time(service, connect, answer, limit_s):
    service.always["*"] = answer
    m2m = await connect(patience_s=86400)
    back_s = anyio.current_time() + 7200

    async with anyio.create_task_group() as group:
        done = []

        async def ask():
            await m2m.permissions()
            done.append(anyio.current_time())

        group.start_soon(ask)
        await anyio.sleep(7200)
        del service.always["*"]
    assert done[0] - back_s <= limit_s


async def test_after_a_long_outage_calls_start_slowly(service, connect):
    service.always["*"] = DISCONNECT
    service.always["download-search"] = ok([])
    m2m = await connect(patience_s=86400)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(m2m.download_search)
        await anyio.sleep(7200)
        del service.always["*"]
    first_s = service.calls("download-search")[0].at_s
    minute = [request for request in service.requests if first_s <= request.at_s < first_s + 60]
    assert len(minute) <= 62
    assert len(service.calls("download-search")) == 100


@pytest.mark.parametrize(
    ("header", "at_least", "at_most"),
    [("30", 30, 35), ("0", 0, 2), ("-1", 0, 2), ("1e9", 0, 2), ("abc", 0, 2), ("99999", 0, 2),
     ("Thu, 01 Jan 1998 00:00:00 GMT", 0, 2)],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.faults("A17")
async def test_A17_retry_after_is_honoured_when_it_makes_sense(service, connect, header, at_least, at_most, status):
    service.play("permissions", bare(status, Retry_After=header))
    m2m = await connect(patience_s=86400)
    await m2m.permissions()
    first, second = service.calls("permissions")
    assert at_least <= second.at_s - first.at_s <= at_most


@pytest.mark.faults("A17")
async def test_A17_nobody_asks_within_a_retry_after_even_without_patience(service, connect):
    service.play("permissions", bare(503, Retry_After="600"))
    m2m = await connect(patience_s=0)
    for _ in range(5):
        with pytest.raises(ServiceDown) as caught:
            await m2m.permissions()
        assert caught.value.retry_after_s == 600
        await anyio.sleep(60)
    assert len(service.calls("permissions")) == 1


# -- one at a time


async def test_calls_of_many_tasks_and_clients_never_overlap(service, connect):
    service.always["download-search"] = ok([], after_s=0.3)
    gate = Gate()
    clients = [await connect(gate=gate) for _ in range(2)]
    async with anyio.create_task_group() as group:
        for client in clients:
            for _ in range(10):
                group.start_soon(client.download_search)
    assert service.most_in_flight == 1
    assert len(service.calls("download-search")) == 20


@pytest.mark.parametrize("code", ["RATE_LIMIT", "RATE_LIMIT_USER"])
@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.faults("A15")
async def test_A15_another_call_of_the_account_is_waited_out(service, connect, code, status):
    service.play("permissions", *[fail(code, "one request at a time", status)] * 3)
    m2m = await connect(patience_s=86400)
    await m2m.permissions()
    gaps = [wait.wait_s for wait in m2m.waits]
    assert 0.9 <= gaps[0] <= 2
    assert all(4.9 <= gap <= 30 for gap in gaps[1:])


@pytest.mark.faults("A15")
async def test_A15_after_ten_minutes_another_program_is_suspected(service, connect):
    service.always["permissions"] = fail("RATE_LIMIT_USER")
    m2m = await connect(patience_s=1200)
    with pytest.raises(RateLimited):
        await m2m.permissions()
    assert "another program" not in m2m.waits[0].reason
    assert "another program" in m2m.waits[-1].reason


@pytest.mark.faults("A16")
async def test_A16_the_download_quota_is_the_callers_business(service, connect):
    service.always["download-request"] = fail("RATE_LIMIT_USER_DL", "limit", Retry_After="900")
    m2m = await connect(patience_s=86400)
    with pytest.raises(QuotaReached) as caught:
        await m2m.download_request(**REQUEST)
    assert caught.value.retry_after_s == 900
    assert m2m.waits == []
    assert await m2m.permissions()  # the gate stays open for everything else


# -- answers that are the same each time


@pytest.mark.parametrize("answer", [bare(500), fail("SERVER_ERROR", "boom"), fail("SEARCH_ERROR"), fail("NEW_CODE")])
@pytest.mark.faults("A09")
async def test_A09_the_same_failure_three_times_while_the_service_lives_is_the_inputs_fault(service, connect, answer):
    service.always["download-options"] = answer
    m2m = await connect(patience_s=86400)
    before_s = anyio.current_time()
    with pytest.raises(RequestRefused, match="download-options fails each time") as caught:
        await m2m.download_options("d", entity_ids=["E1"])
    assert caught.value.reference == "fails-each-time"
    assert len(service.calls("download-options")) == 3
    assert len(service.calls("permissions")) == 1
    assert anyio.current_time() - before_s < 10
    assert caught.value.code in ("HTTP_500", "SERVER_ERROR", "SEARCH_ERROR", "NEW_CODE")


@pytest.mark.parametrize("answer", [bare(500), fail("SERVER_ERROR", "boom")])
@pytest.mark.faults("A03", "A09")
async def test_A09_the_same_failure_of_everything_is_an_outage(service, connect, answer):
    service.always["*"] = answer
    m2m = await connect(patience_s=86400)
    async with anyio.create_task_group() as group:
        done = []

        async def ask():
            done.append(await m2m.download_options("d", entity_ids=["E1"]))

        group.start_soon(ask)
        await anyio.sleep(3600)
        assert len(service.requests) < 180  # no storm: a call and a probe a minute
        service.always["download-options"] = ok([])
        del service.always["*"]
    assert done == [[]]


async def test_a_poll_that_fails_on_the_services_side_goes_on_with_patience(service, connect):
    service.play("download-retrieve", *[fail("SERVER_ERROR")] * 12, ok({"queueSize": 3}))
    m2m = await connect(patience_s=86400)
    assert (await m2m.download_retrieve("l")).queue_size == 3
    assert len(m2m.waits) == 12


@pytest.mark.faults("A08")
async def test_A08_an_area_that_is_too_detailed(service, connect):
    service.always["scene-search"] = bare(404, b"<html><title>Not Found</title></html>")
    m2m = await connect(patience_s=86400)
    ring = [[x / 10, 1.5] for x in range(200)]
    area = {"filterType": "geojson", "geoJson": {"type": "Polygon", "coordinates": [ring]}}
    with pytest.raises(ConfigError, match="200 vertices") as caught:
        [scene async for scene in m2m.scene_search("d", {"spatialFilter": area})]
    assert caught.value.reference == "area-too-detailed"
    assert len(service.calls("scene-search")) == 3


@pytest.mark.faults("A18")
async def test_A18_a_wrong_address_ends_soon_even_with_patience(service, connect):
    service.always["*"] = bare(404)
    m2m = await connect(patience_s=86400)
    before_s = anyio.current_time()
    with pytest.raises(EndpointGone) as caught:
        await m2m.permissions()
    assert "[service] url" in caught.value.hint
    assert anyio.current_time() - before_s < 10


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("endpoint", ["download-options", "download-request"])
@pytest.mark.faults("A07")
async def test_A07_a_bare_403_means_one_login_and_then_the_end(service, connect, status, endpoint):
    service.always[endpoint] = bare(status, b"Forbidden")
    m2m = await connect(patience_s=86400)
    ask = {
        "download-options": lambda: m2m.download_options("d", entity_ids=["E1"]),
        "download-request": lambda: m2m.download_request(**REQUEST),
    }[endpoint]
    with pytest.raises(CredentialsError, match="MACHINE role, or the service has an incident") as caught:
        await ask()
    assert caught.value.reference == "access-refused"
    assert len(service.calls(endpoint)) == 2
    assert len(service.calls("login-token")) == 2


@pytest.mark.parametrize("body", [b'{"data": [1, 2', b'{"data": [{"a": "b', b"not json", b'["list"]'])
@pytest.mark.faults("A05")
async def test_A05_json_that_is_cut_is_asked_for_again(service, connect, body):
    service.play("download-search", bare(200, body), bare(200, body), ok([]))
    m2m = await connect(patience_s=86400)
    assert await m2m.download_search() == []
    service.always["download-search"] = bare(200, body)

    async def repair():
        await anyio.sleep(3600)
        service.always["download-search"] = ok([])

    async with anyio.create_task_group() as group:
        group.start_soon(repair)
        assert await m2m.download_search() == [], "a proxy that garbles answers for an hour is an outage"
    impatient = await connect(patience_s=0)
    before = len(service.calls("download-search"))
    service.always["download-search"] = bare(200, body)
    with pytest.raises(ServiceDown, match="download-search: the answer is not a JSON envelope") as caught:
        await impatient.download_search()
    assert caught.value.reference == "bad-reply"
    assert len(service.calls("download-search")) == before + 3


@pytest.mark.faults("A05", "A09")
async def test_A05_garbage_for_one_input_while_the_service_lives_is_the_inputs_fault(service, connect):
    service.always["scene-search"] = bare(200, b'{"data": {"results": [{"a": "b')
    m2m = await connect(patience_s=86400)
    with pytest.raises(RequestRefused) as caught:
        await anext(m2m.scene_search("d"))
    assert caught.value.reference == "fails-each-time"
    assert len(service.calls("scene-search")) == 3


@pytest.mark.faults("A05")
async def test_A05_an_answer_cut_anywhere_never_passes(service, connect):
    whole = ok([{"downloadId": n} for n in range(30)])
    size = len(whole.bytes())
    m2m = await connect(patience_s=86400)
    for cut in range(64, size, 64):
        for length in (True, False):
            service.play("download-search", Answer(whole.body, cut=cut, length=length), whole)
            assert len(await m2m.download_search()) == 30
    assert len(service.calls("download-search")) == 4 * len(range(64, size, 64))


# -- calls with effects


@pytest.mark.parametrize(
    "answer",
    [
        DISCONNECT,
        Answer(ACCEPTED.body, cut=200),
        bare(200, ACCEPTED.body[:-20]),
        bare(200),
        bare(500),
        bare(502),
        bare(504),
        page("Oops"),
        Answer(ACCEPTED.body, after_s=500),
    ],
)
@pytest.mark.faults("A04", "A05", "E07")
async def test_A04_a_lost_answer_to_a_request_is_never_followed_by_a_second_request(service, connect, answer):
    service.always["download-request"] = answer
    m2m = await connect(patience_s=86400)
    with pytest.raises(OutcomeUnknown, match="download-request"):
        await m2m.download_request(**REQUEST)
    assert len(service.calls("download-request")) == 1


@pytest.mark.parametrize(
    "answer", [bare(503), bare(429), page("Scheduled maintenance", 503), page("Maintenance"), fail("SERVER_ERROR"),
               fail("RATE_LIMIT"), fail("AUTH_EXPIRED"), bare(302, location="http://elsewhere/")]
)  # fmt: skip
@pytest.mark.faults("A02", "A03", "A15")
async def test_A03_a_request_that_was_turned_away_is_sent_again(service, connect, answer):
    service.play("download-request", answer, ACCEPTED)
    m2m = await connect(patience_s=86400)
    reply = await m2m.download_request(**REQUEST)
    assert reply.available[0].download_id == 5
    assert len(service.calls("download-request")) == 2


async def test_a_request_that_never_left_is_sent_again(service, connect):
    m2m = await connect(patience_s=0, url="http://127.0.0.1:9/")
    with pytest.raises(ServiceDown, match=r"no answer from 127\.0\.0\.1"):
        await m2m.download_request(**REQUEST)
    assert len(m2m.waits) == 2


@pytest.mark.parametrize("answer", [DISCONNECT, bare(500), bare(200, b'{"da')])
async def test_calls_that_may_be_repeated_are_repeated(service, connect, answer):
    m2m = await connect(patience_s=86400)
    service.always.update({"scene-list-remove": ok(None), "scene-list-add": ok(2), "download-remove": ok(True)})
    service.always["download-complete-proxied"] = ok({"failed": [], "updatedDownloadsCount": 1})
    for endpoint in list(service.always):
        service.play(endpoint, answer)
    service.script["logout"].clear()
    await m2m.scene_list_remove("l")
    assert await m2m.scene_list_add("l", "d", ["a", "b"]) == 2
    assert await m2m.download_remove(7) is True
    assert await m2m.download_complete_proxied([(7, 100)]) == 1


# -- what is sent


async def test_requests_are_sent_in_the_documented_shape(service, connect):
    service.always.update({"download-request": ok({}), "scene-list-add": ok(1), "download-retrieve": ok(None)})
    service.always.update({"download-options": ok(None), "download-search": ok(None)})
    m2m = await connect()
    await m2m.download_request(label="L", downloads=[("E", "P")])
    group = DataGroup("landsat_band_files_c2_l1", ("ls_c2l1_ot_band",), "list-1")
    await m2m.download_request(label="L", data_groups=[group])
    await m2m.scene_list_add("list-1", "d", ["E"])
    await m2m.download_retrieve("L")
    assert await m2m.download_options("d", entity_ids=["E"], include_secondary_file_groups=True) == []
    assert await m2m.download_options("d", entity_ids=[]) == []
    assert [r.payload for r in service.calls("download-request")] == [
        {"label": "L", "downloads": [{"entityId": "E", "productId": "P"}], "downloadApplication": "M2M"},
        {
            "label": "L",
            "dataGroups": [
                {"datasetName": "landsat_band_files_c2_l1", "fileGroups": ["ls_c2l1_ot_band"], "listId": "list-1",
                 "label": "L"}
            ],
            "downloadApplication": "M2M",
        },
    ]  # fmt: skip
    assert service.calls("scene-list-add")[0].payload["entityIds"] == ["E"]
    assert service.calls("download-retrieve")[0].payload["label"] == "L"
    assert len(service.calls("download-options")) == 1


async def test_options_for_many_scenes_are_asked_in_portions(service, connect):
    service.always["download-options"] = ok([{"id": "p", "entityId": "e", "displayId": "d"}])
    m2m = await connect()
    options = await m2m.download_options("d", entity_ids=[f"E{n}" for n in range(1234)])
    assert [len(r.payload["entityIds"]) for r in service.calls("download-options")] == [500, 500, 234]
    assert len(options) == 3


# -- secrets


async def error_of(call):
    try:
        await call
    except (ServiceError, CredentialsError) as error:
        return error


@pytest.mark.faults("K03", "B08", "A19")
async def test_K03_no_secret_in_errors_waits_reprs_and_logs(service, connect, caplog):
    caplog.set_level(logging.DEBUG)
    m2m = await connect(patience_s=0)
    await m2m.permissions()
    echo = f"user {USER} with {TOKEN} and {KEY}"
    texts = [repr(m2m)]
    answers = [
        fail("INPUT_INVALID", echo), fail("WHO_KNOWS", echo), page(echo), page(f"Maintenance {echo}", 503),
        bare(302, location=f"http://{USER}.example/{KEY}"), bare(500, echo.encode()), bare(200, echo.encode()),
        DISCONNECT, Answer(echo.encode(), cut=150), fail("AUTH_UNAUTHROIZED", echo),
        ok([{"downloadId": True, "entityId": "E"}]),
    ]  # fmt: skip
    for answer in answers:
        service.always["download-search"] = answer
        error = await error_of(m2m.download_search())
        if error is not None:
            assert error.__cause__ is None
            assert error.__suppress_context__ or error.__context__ is None
            texts += [str(error), repr(error), error.hint, repr(vars(error))]
        await anyio.sleep(400)
    texts += [repr(wait) for wait in m2m.waits]
    texts.append(caplog.text)
    assert len(texts) > 30
    assert "row 1: downloadId" in caplog.text
    for text in texts:
        for secret in (TOKEN, KEY, USER):
            assert secret not in text


@pytest.mark.parametrize("status", [400, 405, 422])
def test_an_odd_status_without_an_envelope_says_what_to_look_at(status):
    error = from_answer("login-token", status=status, content_type="", body=b"no", retry_after_s=None)
    assert isinstance(error, RequestRefused)
    assert "[service] url" in error.hint
