"""Rows 2 and 3 at the place where a transfer meets them: names that come with an answer, and sizes that cannot be."""

import pytest

from landsat_async.events import Notice, Retrying
from landsat_async.model import Identity, Proof
from landsat_async.rules.naming import planned_name
from landsat_async.transfer.types import Done, FileFailed, NameLearnt, NeedsLink
from tests.disk.whole_files import mtl, tiff
from tests.support.raw_server import RawServer, named, ranged, status, whole
from tests.transfer.bench import KIB, big_tiff_file, of_done, sha

PRODUCT = "LC08_L2SP_004053_20240705_20240712_02_T1"
NAME = f"{PRODUCT}_SR_B3.TIF"
OTHERS = [f"{PRODUCT}_SR_B5.TIF", "LC09_L2SP_004053_20240713_20240714_02_T1_SR_B3.TIF", f"{PRODUCT}.tar"]
SILENT = ["download", "file.TIF", "5d41402abc4b2a76b9719d911017c592", "../../" + OTHERS[0], f"{PRODUCT}_SR_B3.TIF.gz"]
IMAGE = big_tiff_file()


@pytest.mark.faults("K23")
@pytest.mark.parametrize("other", OTHERS)
async def test_K23_an_answer_that_names_another_file_is_a_fault_and_asked_for_again(bench, other):
    bench.name, bench.right = NAME, [IMAGE]
    async with RawServer([ranged(IMAGE[::-1], named(other)), ranged(IMAGE, named(NAME))]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, Done)
    assert outcome.identity is Identity.NAMED
    assert [event.reason for event in bench.events if isinstance(event, Retrying)] == [
        f"127.0.0.1 sends {other} in place of it"
    ]
    assert [said for said in bench.health if said[1] != "ok"] == []  # the host is not blamed for one file


@pytest.mark.faults("K23")
@pytest.mark.parametrize("other", OTHERS)
async def test_K23_one_that_always_does_needs_another_link_in_the_end(bench, other):
    bench.name = NAME
    async with RawServer([ranged(IMAGE, named(other))]) as server:
        outcome = await bench.run(server)
        assert len(server.requests) == 3
    assert isinstance(outcome, NeedsLink)
    assert other in outcome.reason


@pytest.mark.faults("K23")
async def test_K23_a_link_and_a_redirect_that_name_another_file_are_not_followed(bench):
    bench.name = NAME
    async with RawServer([ranged(IMAGE)]) as server:
        outcome = await bench.run(server, f"/data/{OTHERS[1]}?requestSignature=x")
        assert server.requests == []
    assert isinstance(outcome, NeedsLink)
    assert OTHERS[1] in outcome.reason
    async with RawServer([status(302, ("Location", f"/data/{OTHERS[0]}"))]) as server:
        outcome = await bench.run(server, "/data/link")
    assert isinstance(outcome, NeedsLink)
    assert OTHERS[0] in outcome.reason


@pytest.mark.parametrize("name", SILENT)
async def test_a_name_that_says_nothing_is_no_evidence_and_no_reason_to_refuse(bench, name):
    bench.name, bench.right = NAME, [IMAGE]
    async with RawServer([whole(IMAGE, named(name))]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, Done)
    assert outcome.identity is Identity.NONE
    assert [event for event in bench.events if isinstance(event, Notice)] == []


async def test_a_resumed_file_is_named_only_when_all_its_answers_were(bench):
    bench.name, bench.right = NAME, [IMAGE]
    for first, second, identity in (
        ((named(NAME),), (named(NAME),), Identity.NAMED),
        ((), (named(NAME),), Identity.NONE),
        ((named(NAME),), (), Identity.NONE),
    ):
        async with RawServer([ranged(IMAGE, *first, stop=200 * KIB), ranged(IMAGE, *second)]) as server:
            outcome = await bench.run(server)
        assert isinstance(outcome, Done)
        assert outcome.identity is identity
        bench.forget()


@pytest.mark.faults("K24")
async def test_K24_a_metadata_file_of_another_product_never_gets_its_name(bench):
    bench.name = f"{PRODUCT}_MTL.txt"
    bench.right = [mtl(PRODUCT)]
    other = mtl("LC09_L2SP_010065_20220129_20220131_02_T1")
    async with RawServer([whole(other), whole(mtl(PRODUCT))]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, Done)
    assert outcome.identity is Identity.CONTENT


@pytest.mark.faults("K27")
async def test_K27_a_text_of_doubtful_size_is_told_and_needs_no_pixels(bench):
    text = mtl(PRODUCT)
    bench.name, bench.right, bench.job_options = f"{PRODUCT}_MTL.txt", [text], {"bytes_nominal": 60 * 2**20}
    async with RawServer([whole(text)]) as server:
        assert of_done(await bench.run(server)) == (len(text), sha(text), Proof.STRUCTURE, len(text))
    (told,) = [event.text for event in bench.events if isinstance(event, Notice)]
    assert "where USGS lists 62,914,560" in told


@pytest.mark.faults("K27")
async def test_K27_a_size_far_from_the_listed_one_is_told_and_needs_content(bench):
    small = tiff()
    bench.name, bench.right, bench.job_options = NAME, [small], {"bytes_nominal": 60 * 2**20}
    async with RawServer([ranged(small)]) as server:
        outcome = await bench.run(server)
    assert of_done(outcome) == (len(small), sha(small), Proof.CONTENT, len(small))
    (told,) = [event.text for event in bench.events if isinstance(event, Notice)]
    assert f"{len(small):,} bytes where USGS lists 62,914,560" in told
    bench.forget()
    plain = tiff(compression=1)  # nothing in it could prove its content
    async with RawServer([ranged(plain)]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, FileFailed)
    assert "where USGS lists" in outcome.reason


@pytest.mark.faults("X128")
@pytest.mark.parametrize("pages", [0, 60], ids=["small", "large"])
@pytest.mark.parametrize("kind", ["text/x-html", "application/html5", "text/html-sandboxed", "text/plain"])
async def test_nothing_gets_a_planned_name_whatever_the_type_is_called(bench, kind, pages):
    tile = "LC08_CU_008001_20240705_20240714_02"
    body = b"Please come back later." + bytes(10240 * pages)
    bench.name, bench.job_options = planned_name(tile, "Surface Reflectance"), {"name_begins": tile}
    async with RawServer([whole(body, ("Content-Type", kind), named(f"{tile}_SR.tar"))]) as server:
        outcome = await bench.run(server)
    assert isinstance(outcome, NameLearnt)
    assert outcome.name == f"{tile}_SR.tar"
    assert bench.final_bytes() is None
