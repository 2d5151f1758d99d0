"""Between the request and the link: staging, proxies, duplicates, lost answers, refusals, quotas."""

from __future__ import annotations

from collections import Counter

import pytest

from landsat_async import M2MClient
from landsat_async.events import Planned, Requested, Retrying, Verified
from landsat_async.run.poller import REPORT_EVERY_S
from landsat_async.sim.script import Script

LONG_WAITS = True
FILES = 18
"""Of the usual search: six scenes, three files each; two scenes lie at landsatlook, four are staged by dds."""
STAGED = 12
BUNDLES = 6


def once(world) -> bool:
    """Every file was made once at the service."""
    return max(Counter(world.created()).values()) == 1


# -- ways of delivery ------------------------------------------------------------------------------------------------


@pytest.mark.faults("E03", "E04")
@pytest.mark.parametrize("staged_list", ["available", "requested", "both"])
@pytest.mark.parametrize("proxied_list", ["requested", "available", "both"])
async def test_ready_is_what_has_a_link_in_whatever_list(opened, staged_list, proxied_list):
    script = Script(staging_polls=2, staged_list=staged_list, proxied_list=proxied_list)
    async with opened(script=script) as world:
        result = await world.run()

        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert once(world)
        told = world.log.of("download-complete-proxied")
        proxied = [d.id for d in world.service.downloads.by_id.values() if d.offer.is_proxied]
        assert sorted(row["downloadId"] for e in told for row in e.payload["proxiedDownloads"]) == sorted(proxied)
        assert len(told) == 1  # of all together: nothing waits for a report


@pytest.mark.faults("E01", "K70")
async def test_staging_that_trickles_in_over_a_long_time_is_waited_for(opened):
    script = Script(staging_polls=3, staging_s=1200, staging_share=0.4)
    async with opened(script=script) as world:
        result = await world.run(world.config(download={"poll_interval_s": 30}))

        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert once(world)
        assert 10 < world.log.calls["download-retrieve"] < 200
        # What came first is reported in the first round behind five minutes: not file by file, and not at the end.
        (report,) = world.log.of("download-complete-proxied")
        asked = world.log.of("download-request")[0]
        assert REPORT_EVERY_S <= report.time_s - asked.time_s < 2 * REPORT_EVERY_S


@pytest.mark.faults("E01")
async def test_what_is_staged_for_too_long_fails_by_name_and_the_next_run_picks_it_up_without_asking(opened):
    script = Script(staging_never=("*_SR_B3.TIF",))
    async with opened(script=script) as world:
        config = world.config(download={"staging_timeout_s": 600, "poll_interval_s": 20})
        first = await world.run(config)

        slow = set(first.failed)
        assert slow
        assert all(file.endswith("_SR_B3.TIF") and "still being prepared" in first.failed[file] for file in slow)
        assert first.summary.exit_code == 4
        assert first.summary.files_verified == FILES - len(slow)

        world.script.staging_never = ()
        asked = world.log.calls["download-request"]
        second = await world.run(config)
        assert second.summary.exit_code == 0
        assert set(second.verified) == slow
        assert world.log.calls["download-request"] == asked
        assert once(world)


@pytest.mark.faults("E09")
async def test_staging_that_fails_at_the_service_ends_by_name(opened):
    async with opened(script=Script(staging_fails=("*_SR_B5.TIF",))) as world:
        result = await world.run()

        assert [d for d in world.service.downloads.by_id.values() if d.state == "failed"]
        assert result.summary.exit_code == 4
        assert result.failed
        assert all(file.endswith("_SR_B5.TIF") for file in result.failed)
        assert len(result.verified) + len(result.failed) == FILES


@pytest.mark.faults("E02")
async def test_what_retrieve_never_lists_but_search_knows_ends_by_name(opened):
    async with opened(script=Script(hidden=("*_ANG.txt",), duplicates="only-listed")) as world:
        result = await world.run(world.config(download={"staging_timeout_s": 300, "poll_interval_s": 10}))

        assert result.summary.exit_code == 4
        assert len(result.failed) > 0
        assert all(file.endswith("_ANG.txt") for file in result.failed)
        assert len(result.verified) + len(result.failed) == FILES


@pytest.mark.faults("E02")
async def test_what_vanishes_at_the_service_is_asked_for_again(opened):
    async with opened(script=Script(staging_polls=50)) as world:
        gone = []

        def vanish(run, event):
            if isinstance(event, Requested) and not gone:
                for download in list(world.service.downloads.by_id.values()):
                    if download.state == "preparing":
                        gone.append(download.offer.file)
                        world.service.downloads.remove(download)
                world.script.staging_polls = 1

        result = await world.run(watch=vanish)

        assert gone
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert once(world)


@pytest.mark.faults("E02")
async def test_what_vanishes_each_time_fails_by_name_in_the_end(opened):
    async with opened(script=Script(staging_polls=50)) as world:

        def vanish(run, event):
            if isinstance(event, Requested):
                for download in list(world.service.downloads.by_id.values()):
                    if download.state == "preparing":
                        world.service.downloads.remove(download)

        result = await world.run(watch=vanish)

        assert result.summary.exit_code == 4
        assert len(result.failed) == STAGED
        assert all("does not list it" in reason for reason in result.failed.values())
        assert len(result.verified) == FILES - STAGED


# -- duplicates ------------------------------------------------------------------------------------------------------


@pytest.mark.faults("E05")
@pytest.mark.parametrize("variant", ["only-listed", "also-listed", "proxied-never", "never"])
async def test_E05_files_that_stand_under_an_older_label_are_fetched(opened, variant):
    async with opened(script=Script(duplicates=variant)) as world:
        first = await world.run()
        pairs = list(dict.fromkeys(world.asked()))
        for path in world.files():
            (world.root / path).unlink()
        world.forget_log()
        async with M2MClient(world.sim.service_url, world.credentials) as other:
            await other.download_request(label="older", downloads=pairs)
        world.forget_log()

        second = await world.run()

        answered = [d for d in world.service.downloads.by_id.values() if d.label == "older"]
        assert len(answered) == FILES
        if variant in ("only-listed", "also-listed"):
            assert len(world.created()) == 2 * FILES, "nothing new was made: all were duplicates"
        assert second.summary.exit_code == 0
        assert second.verified == first.verified


@pytest.mark.faults("E06", "A21")
async def test_rows_of_others_are_left_alone(opened):
    async with opened(script=Script(labels_mix=True)) as world:
        world.script.fault_api("download-re*", "foreign-rows", times=None)
        async with M2MClient(world.sim.service_url, world.credentials) as other:
            foreign = next(p for p in world.sim.archive if str(p.acquired) == "2024-07-13" and p.level == "L2SP")
            pair = foreign.secondary_id("SR_B3.TIF"), "5f85f041a2ea6695"
            await other.download_request(label="somebody-else", downloads=[pair])

        result = await world.run()

        assert world.log.faults["foreign-rows"] > 1
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert not any(foreign.display_id in file for file in world.log.files)


@pytest.mark.faults("E08", "A12", "A10")
async def test_answers_in_other_types_and_twice_in_both_lists(opened):
    script = Script(ids="string", empty_map="null", proxied_list="both", staged_list="both", missing=("entityId_",))
    async with opened(script=script) as world:
        result = await world.run()

        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert all(count == 1 for count in world.log.files.values()), "a file was fetched by two workers"


# -- lost answers ----------------------------------------------------------------------------------------------------


@pytest.mark.faults("E07", "A04", "A05")
@pytest.mark.parametrize("kind", ["close-after", "rst-after", "empty", "cut-json", "cut", "null-data"])
async def test_E07_a_lost_answer_of_a_request_is_looked_up_and_nothing_asked_twice(opened, kind):
    async with opened(script=Script(staging_polls=3)) as world:
        fault = world.script.fault_api("download-request", kind)

        result = await world.run()

        assert fault.served == 1
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert once(world), "something was asked for twice"


@pytest.mark.faults("E07")
@pytest.mark.parametrize("kind", ["close-before", "rst-before", "hang"])
async def test_E07_a_request_that_never_arrived_is_sent_again(opened, kind):
    async with opened() as world:
        fault = world.script.fault_api("download-request", kind)

        result = await world.run()

        assert fault.served == 1
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert once(world)


@pytest.mark.faults("E07")
async def test_E07_a_lost_answer_with_empty_lists_right_after_is_no_proof_of_absence(opened):
    async with opened(script=Script(retrieve_lag_polls=2)) as world:
        fault = world.script.fault_api("download-request", "close-after")

        result = await world.run()

        assert fault.served == 1
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert once(world)


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.faults("C09", "A22", "E09")
async def test_a_disabled_system_is_left_for_the_other_row_of_the_bundle(opened, both_systems):
    async with opened(script=Script(disabled_systems=("ls_zip",))) as world:
        result = await world.run(world.config(select={"type": "bundle"}))

        products = [product for _, product in world.asked()]
        assert "5e83d14fec7cae84" in products, "the disabled row was tried"
        assert result.summary.exit_code == 0
        assert len(result.verified) == BUNDLES
        systems = {d.offer.system for d in world.service.downloads.by_id.values()}
        assert systems == {"dds_ms"}


@pytest.mark.faults("A22")
async def test_a_disabled_system_without_another_row_is_waited_for_while_others_go_on(opened):
    async with opened(script=Script(disabled_systems=("ls_s3",))) as world:
        seen = []

        def back(run, event):
            if isinstance(event, Verified):
                seen.append(event.file)
                if len(seen) == STAGED:
                    world.script.disabled_systems = ()

        result = await world.run(world.config(service={"patience_s": 3600}), watch=back)

        assert "temporarily disabled" in result.reasons
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("A22")
async def test_a_system_that_stays_disabled_ends_the_run_when_the_patience_is_over_and_the_rest_is_here(opened):
    async with opened(script=Script(disabled_systems=("ls_s3",))) as world:
        config = world.config(service={"patience_s": 900}, download={"poll_interval_s": 20})
        result = await world.run(config)

        assert result.summary.exit_code == 6
        assert "ls_s3" in str(result.error)
        assert (result.summary.files_verified, result.summary.files_pending) == (STAGED, FILES - STAGED)


@pytest.mark.faults("E09")
@pytest.mark.parametrize("rows", ["full", "message", "absent"])
async def test_E09_refused_items_fail_by_name_even_if_the_rows_do_not_tell_which(opened, rows):
    async with opened(script=Script(failed_rows=rows)) as world:

        def refuse(run, event):
            if isinstance(event, Planned):  # after download-options has offered it
                world.script.unavailable = ("*_20240712_*_SR_B5.TIF",)

        result = await world.run(watch=refuse)

        assert result.summary.exit_code == 4
        (file,) = result.failed
        assert "_20240712_" in file
        assert file.endswith("_SR_B5.TIF")
        assert len(result.verified) == FILES - 1
        if rows != "absent":
            assert "not available for download" in result.failed[file]


@pytest.mark.faults("E15", "A09")
async def test_E15_one_item_that_breaks_a_whole_request_is_isolated(opened):
    async with opened(script=Script(refuse=("*20240712_20240721_02_T1_SR_B5*",))) as world:
        result = await world.run()

        assert world.log.errors["SERVER_ERROR"] > 2
        assert result.summary.exit_code == 4
        assert len(result.failed) == 1
        assert len(result.verified) == FILES - 1
        assert once(world)


@pytest.mark.faults("A16", "E17")
@pytest.mark.parametrize("retry_after", [None, "40"])
async def test_A16_a_quota_pauses_requests_while_transfers_go_on(opened, retry_after):
    script = Script(recent_limit=8, recent_window_s=30.0, rate_bytes_s=2000, retry_after=retry_after)
    async with opened(script=script) as world:
        result = await world.run(world.config(download={"queue_size": 6, "poll_interval_s": 20}))

        assert world.log.errors["RATE_LIMIT_USER_DL"] >= 1
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert once(world)
        kinds = [event for event in result.events if isinstance(event, Retrying | Verified)]
        (pause,) = [k for k in kinds if isinstance(k, Retrying) and "quota" in k.reason][:1]
        assert pause.wait_s >= (40 if retry_after else 900)
        after = kinds[kinds.index(pause) + 1 :]
        assert isinstance(after[0], Verified), "transfers stood still during the pause"


# -- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.faults("B03")
@pytest.mark.parametrize("moment", [Requested, Verified])
async def test_B03_a_key_that_dies_in_mid_run_is_renewed_once(opened, moment):
    async with opened(script=Script(staging_polls=3)) as world:
        killed = []

        def kill(run, event):
            if isinstance(event, moment) and not killed:
                killed.append(event)
                world.sim.forget_keys()

        result = await world.run(watch=kill)

        assert killed
        assert world.log.errors["AUTH_KEY_INVALID"] == 1
        assert world.log.calls["login-token"] == 2
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("B03")
async def test_B03_a_key_that_goes_stale_between_two_polls_is_renewed_each_time(opened):
    async with opened(script=Script(staging_polls=4, key_lifetime_s=20)) as world:
        result = await world.run(world.config(download={"poll_interval_s": 60}))

        assert world.log.errors["AUTH_EXPIRED"] >= 2
        # The last one may have been found stale by the logout, which needs no new one.
        assert 0 <= 1 + world.log.errors["AUTH_EXPIRED"] - world.log.calls["login-token"] <= 1
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("B12")
async def test_B12_a_token_revoked_in_mid_run_lets_running_transfers_end_then_stops(opened):
    async with opened(script=Script(rate_bytes_s=4000, staging_polls=3)) as world:
        world.may_leave = True
        revoked = []

        def revoke(run, event):
            if isinstance(event, Requested) and not revoked:
                revoked.append(event)
                world.sim.forget_keys()
                world.service.account.token = "another"

        result = await world.run(watch=revoke)

        assert world.log.errors["AUTH_INVALID"] == 1, "a refused token is not sent again"
        assert result.summary.exit_code == 3
        assert result.summary.files_verified > 0
        assert result.summary.files_pending > 0
