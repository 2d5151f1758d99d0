"""Links that die, transfers that break in every way, and what is fetched a second time because of it."""

from __future__ import annotations

import io
import tarfile
from collections import Counter

import pytest

from landsat_async.events import Ready, Retrying, Started
from landsat_async.sim.archive import Archive
from landsat_async.sim.script import Script
from tests.whole.world import BANDS

LONG_WAITS = True
FILES = 18
KIB = 1024
PROXIED, STAGED = "LC80040532024187LGN00", "LC80040532024203LGN00"


def large() -> Archive:
    """Bands of about 500 KB, stored as they are."""
    return Archive.demo(pixels=512, tile=128, compress=False)


def one(scene: str, band: str = "SR_B3"):
    search = {"dataset": "landsat_ot_c2_l2", "scenes": [scene]}
    return {"search": search, "select": {"type": "band", "bands": [band]}}


def tar_members(body: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


# -- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.faults("E12", "F20")
@pytest.mark.parametrize("answer", ["403", "401", "410", "login-page", "html", "json"])
async def test_E12_links_that_die_while_they_wait_for_a_worker_are_renewed(opened, answer):
    script = Script(link_lifetime_s=4, expired_answer=answer, rate_bytes_s=3000)
    async with opened(script=script) as world:
        result = await world.run(world.config(download={"workers": 1, "queue_size": 18, "poll_interval_s": 2}))

        dead = [e for e in world.log.entries if e.host != "m2m" and (e.sent_bytes < 2000 or e.what == "/login")]
        assert dead, "no link was dead when it was used"
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert len(dead) < 3 * FILES


@pytest.mark.faults("F21")
@pytest.mark.parametrize("scene", [PROXIED, STAGED])
async def test_F21_a_link_that_dies_in_mid_transfer_is_renewed_and_the_bytes_are_kept(opened, scene):
    async with opened(archive=large(), script=Script(link_uses=1)) as world:
        cut = world.script.fault_file("*_SR_B3.TIF", "cut", fraction=0.6)

        result = await world.run(world.config(**one(scene)))

        (name,) = result.verified
        assert cut.served == 1
        assert any(entry.status == 403 for entry in world.log.of(name)), "the used link was refused"
        assert result.offsets(name)[-1] > 0
        size = len(world.content(name))
        assert world.log.file_bytes[name] <= size + 64 * KIB + 1 * KIB
        assert any(entry.range for entry in world.log.of(name))


@pytest.mark.faults("F21")
async def test_F21_a_link_that_dies_under_a_running_body_lets_it_run_on(opened):
    async with opened(archive=large(), script=Script(link_lifetime_s=2, rate_bytes_s=50_000)) as world:
        result = await world.run(world.config(**one(PROXIED)))

        (name,) = result.verified
        assert world.log.files[name] == 1


@pytest.mark.faults("F21")
async def test_F21_a_slow_line_may_outlive_any_number_of_links(opened):
    archive = Archive.demo(pixels=1024, tile=128, compress=False)
    async with opened(archive=archive, script=Script(link_uses=1)) as world:
        world.script.fault_file("*_SR_B3.TIF", "range-short", ranged=True, times=None, bytes=200 * KIB)
        world.script.fault_file("*_SR_B3.TIF", "cut", fraction=0.2)

        result = await world.run(world.config(**one(PROXIED), service={"patience_s": 86400}))

        assert result.summary.exit_code == 0
        assert len(world.created()) > 6, "it took more links than a file without progress gets"


@pytest.mark.faults("X150")
async def test_X150_a_resumed_bundle_is_compared_over_as_many_links_as_it_takes(opened):
    """Each stretch that no sum covers is a request, and each request takes a link here."""
    archive = Archive.demo(pixels=512, tile=64)
    async with opened(archive=archive, script=Script(link_uses=1)) as world:
        world.script.fault_file("*.tar", "cut", fraction=0.9)

        config = world.config(search=one(PROXIED)["search"], select={"type": "bundle"}, service={"patience_s": 86400})
        result = await world.run(config)

        assert result.summary.exit_code == 0
        (name,) = result.verified
        compared = [entry.range for entry in world.log.of(name) if entry.status == 206][1:]
        assert len(compared) > 4
        assert len(set(compared)) == len(compared), "nothing is compared twice"


@pytest.mark.faults("F20")
async def test_F20_a_link_that_is_always_refused_fails_by_name_after_a_bounded_number_of_links(opened):
    async with opened() as world:
        world.script.fault_file("LC08_L2SP_004053_20240705*_SR_B3.TIF", "status", status=403, times=None)

        result = await world.run(world.config(download={"poll_interval_s": 20}))

        (name,) = result.failed
        assert result.summary.exit_code == 4
        assert len(result.verified) == FILES - 1
        assert 2 <= Counter(world.created())[name] <= 6


@pytest.mark.faults("F22")
async def test_F22_a_file_that_is_not_there_fails_by_name_after_one_more_link(opened):
    async with opened() as world:
        world.script.fault_file("LC08_L2SP_004053_20240705*_SR_B3.TIF", "status", status=404, times=None)

        result = await world.run()

        (name,) = result.failed
        assert "404" in result.failed[name]
        # A page names no file: on a connection that has served others it may belong to one of them, and is asked for
        # once more over a new one.
        assert 2 <= world.log.files[name] <= 4


@pytest.mark.faults("E04")
@pytest.mark.parametrize("answer", ["404", "503", "html", "no-length", "empty"])
async def test_E04_a_staging_link_that_serves_nothing_yet_is_polled_on(opened, answer):
    async with opened(script=Script(staging_answer=answer, staged_list="both")) as world:
        world.script.fault_api("download-retrieve", "data", times=2, value=None)

        result = await world.run()

        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("E08")
async def test_a_link_in_the_stream_is_held_once_and_the_stream_never_holds_more_than_queue_size(opened):
    async with opened(script=Script(rate_bytes_s=20_000)) as world:
        waiting, most = set(), 0

        def count(run, event):
            nonlocal most
            if isinstance(event, Ready):
                assert event.file not in waiting
                waiting.add(event.file)
                most = max(most, len(waiting))
            elif isinstance(event, Started):
                waiting.discard(event.file)

        result = await world.run(world.config(download={"queue_size": 3, "workers": 2}), watch=count)

        assert result.summary.exit_code == 0
        # One more for each side: a sender tells before it waits, a worker takes before it tells.
        assert most <= 3 + 2 + 2


# -- bodies ----------------------------------------------------------------------------------------------------------

ENDS_WELL = {
    "cut": {}, "cut-rst": {}, "cut-chunked": {}, "cut-close": {}, "cut-close-rst": {}, "rst": {}, "close": {},
    "no-length": {}, "chunked": {}, "html": {}, "json": {}, "xml": {}, "empty": {}, "no-content": {}, "gzip": {},
    "cut-gzip": {}, "stall": {}, "hang": {}, "too-long": {}, "two-lengths": {}, "length-and-chunked": {}, "flip": {},
    "error-text": {}, "error-text-full": {}, "wrong-name": {"text": "../../my-file"}, "etag": {"text": ""},
    "status": {"status": 502}, "redirect": {"status": 302}, "range-unasked": {},
}  # fmt: skip


SILENT = ("flip",)
"""The length is right, and so is the structure: only reading the image tells."""


@pytest.mark.faults("F01", "F02", "F03", "F04", "F05", "F06", "F13", "F18", "F19", "F24", "F25", "F26", "F27", "F31")
@pytest.mark.parametrize("kind", ENDS_WELL)
async def test_a_transfer_that_goes_wrong_once_ends_in_the_right_bytes(opened, kind):
    async with opened() as world:
        kept = ("LC08_L2SP_004053_20240705*_SR_B3.TIF", "LC08_L2SP_005053_20240728*_SR_B5.TIF")
        faults = [world.script.fault_file(file, kind, **ENDS_WELL[kind]) for file in kept]

        proof = "content" if kind in SILENT else "structure"
        result = await world.run(world.config(service={"patience_s": 3600}, download={"proof": proof}))

        assert [fault.served for fault in faults] == [1, 1]
        assert result.failed == {}
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES
        assert not (world.base.parent / "my-file").exists()


@pytest.mark.faults("K40")
@pytest.mark.parametrize("compress", [True, False], ids=["deflated", "plain"])
@pytest.mark.parametrize("at", [60, 40_000], ids=["directory", "pixels"])
async def test_K40_early_bytes_of_another_version_under_the_same_etag_are_noticed(opened, compress, at):
    async with opened(archive=Archive.demo(pixels=600, tile=256, compress=compress)) as world:
        first = world.script.fault_file("*_SR_B3.TIF", "cut-other", bytes=at, fraction=0.8)

        result = await world.run(world.config(**one(PROXIED)))

        assert first.served == 1
        assert result.summary.exit_code == 0


@pytest.mark.faults("K47")
@pytest.mark.parametrize("kind", ["range-rest", "range-wrong-start", "range-wrong-total", "range-no-header", "416"])
async def test_K47_a_host_that_answers_ranges_oddly_for_ever_gives_the_file_all_the_same(opened, kind):
    async with opened(archive=large()) as world:
        world.script.fault_file("*_SR_B3.TIF", "cut", ranged=False, fraction=0.5)
        odd = world.script.fault_file("*_SR_B3.TIF", kind, ranged=True, times=None, bytes=100)

        result = await world.run(world.config(**one(PROXIED)))

        assert odd.served >= 1
        assert result.summary.exit_code == 0


@pytest.mark.faults("K45")
async def test_K45_a_drip_fails_its_file_and_says_so(opened):
    async with opened(archive=large()) as world:
        world.script.fault_file("*_SR_B3.TIF", "drip", times=None, bytes=1, seconds=10.0, at_bytes=1000)

        result = await world.run(world.config(**one(PROXIED)))

        assert result.summary.exit_code == 4
        (reason,) = result.failed.values()
        assert "less than 1024 bytes a second over 10 minutes" in reason


RESUMED = [
    "range-rest", "range-shifted", "ignore-range", "range-no-header", "range-wrong-start", "range-wrong-end",
    "range-wrong-total", "range-wrong-unit", "range-huge", "range-star", "range-multipart", "range-short",
    "416", "new-version", "cut",
]  # fmt: skip


@pytest.mark.faults("F07", "F08", "F09", "F12", "F14", "F15", "F16")
@pytest.mark.parametrize("kind", RESUMED)
async def test_a_resume_that_goes_wrong_ends_in_the_right_bytes(opened, kind):
    async with opened(archive=large()) as world:
        first = world.script.fault_file("*_SR_B3.TIF", "cut", ranged=False, fraction=0.5)
        second = world.script.fault_file("*_SR_B3.TIF", kind, ranged=True, bytes=100 if kind != "range-short" else 9999)
        if kind == "new-version":  # both versions are files of the archive
            name = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"
            world.content(name)

        result = await world.run(world.config(**one(PROXIED)))

        assert (first.served, second.served) == (1, 1)
        assert result.summary.exit_code == 0
        assert result.of(Retrying)


@pytest.mark.faults("F32", "F33")
async def test_F33_a_bundle_that_is_made_anew_at_each_request_comes_in_one_answer_in_the_end(opened):
    script = Script(etag="none", last_modified="none")
    async with opened(archive=large(), script=script) as world:
        world.script.fault_file("*.tar", "cut", times=1, fraction=0.5)
        again = world.script.fault_file("*.tar", "new-version", times=1, ranged=True)
        config = world.config(**one(PROXIED) | {"select": {"type": "bundle"}})

        old = tar_members(world.content("LC08_L2SP_004053_20240705_20240714_02_T1.tar"))

        result = await world.run(config, check=False)

        assert again.served == 1
        assert result.summary.exit_code == 0
        ((name, body),) = world.files().items()
        assert body == world.content(name), "of one making: the times of its members are those of one answer"
        assert tar_members(body) == old


@pytest.mark.faults("F32")
async def test_F32_a_copy_that_is_damaged_at_the_service_fails_by_name_and_leaves_no_file(opened):
    async with opened() as world:
        flip = world.script.fault_file("LC08_L2SP_004053_20240705*.tar", "flip", times=None, fraction=0.0)

        result = await world.run(world.config(select={"type": "bundle"}))

        assert flip.served >= 2
        (name,) = result.failed
        assert name.startswith("LC08_L2SP_004053_20240705")
        assert name not in world.files()
        assert len(result.verified) == 5


@pytest.mark.faults("G14")
async def test_G14_a_host_that_bears_two_transfers_only_serves_all_files_in_the_end(opened):
    async with opened(script=Script(max_connections=2, rate_bytes_s=20_000)) as world:
        result = await world.run(world.config(select=BANDS, service={"patience_s": 86400}))

        assert world.log.faults["max-connections"] > 0
        assert result.summary.exit_code == 0
        assert len(result.verified) == FILES


@pytest.mark.faults("K05")
async def test_K05_a_link_to_another_host_is_refused_and_told(opened):
    async with opened() as world:
        reply = {
            "availableDownloads": [
                {"downloadId": 1, "entityId": "L2SR_LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3_TIF",
                 "url": "http://169.254.169.254/latest/LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"},
            ]
        }  # fmt: skip
        hostile = world.script.fault_api("download-request", "merge", times=None, value=reply)
        result = await world.run(world.config(**one(PROXIED)))

        assert hostile.served >= 1
        assert result.summary.exit_code == 4
        (reason,) = result.failed.values()
        assert "refused" in reason
