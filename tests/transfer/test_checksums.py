"""Sums that USGS publishes: found in either place, asked for sparingly, and never a reason to fail."""

from __future__ import annotations

import json

import pytest

from landsat_async.rules.links import SecretUrl
from landsat_async.transfer.checksums import PublishedSums
from tests.support.raw_server import RawServer, status, whole
from tests.transfer.bench import CANARY

PRODUCT = "LC08_L2SP_004053_20240705_20240714_02_T1"
NAME = f"{PRODUCT}_SR_B3.TIF"
PATH = f"/data/collection02/x/{PRODUCT}/{NAME}?requestSignature={CANARY}%2F"
SUM = "ab" * 64


def item(*names, checksum="1340" + SUM):
    assets = {name: {"href": f"https://other.example/x/{name}?q=1", "file:checksum": checksum} for name in names}
    return whole(json.dumps({"assets": assets}).encode(), ("Content-Type", "application/json"))


async def asked(bench, script, *names, path=PATH):
    """Ask for the sums of `names`; returns them and the targets that were requested."""
    async with RawServer(script) as server, bench.net() as net:
        sums = PublishedSums(net, bench.policy)
        found = [await sums.of(SecretUrl(server.url(path.replace(NAME, name))), name) for name in names]
        return found, [request.target for request in server.requests]


async def test_the_public_catalogue_is_asked_first_and_once_for_each_item_and_without_the_signature(bench):
    other = f"{PRODUCT}_SR_B4.TIF"
    found, targets = await asked(bench, [item(NAME, other)], NAME, other)
    assert [sums[name] for sums, name in zip(found, (NAME, other), strict=True)] == [SUM, SUM]
    assert targets == [f"/stac-server/collections/landsat-c2l2-sr/items/{PRODUCT}_SR"]


async def test_the_folder_of_the_file_is_asked_next_with_its_own_signature_byte_for_byte(bench):
    found, targets = await asked(bench, [status(404), item(NAME)], NAME)
    assert found == [{NAME: SUM}]
    assert targets[1] == f"/data/collection02/x/{PRODUCT}/{PRODUCT}_SR_stac.json?requestSignature={CANARY}%2F"


async def test_a_bundle_needs_the_items_of_both_halves(bench):
    path = f"/gen-bundle?landsat_product_id={PRODUCT}&requestSignature={CANARY}"
    found, targets = await asked(bench, [item(NAME), item(f"{PRODUCT}_ST_B10.TIF")], f"{PRODUCT}.tar", path=path)
    assert sorted(found[0]) == [NAME, f"{PRODUCT}_ST_B10.TIF"]
    assert [target.rpartition("_")[2] for target in targets] == ["SR", "ST"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(item(NAME, checksum="1220" + SUM[:64]), id="another kind of sum"),
        pytest.param(whole(b"<html>log in</html>"), id="a page"),
        pytest.param(whole(b"{" * 100_000), id="deep"),
        pytest.param(whole(b" " * (5 * 2**20)), id="huge"),
        pytest.param(status(302, ("Location", "http://169.254.169.254/x")), id="led away"),
        pytest.param(status(503), id="busy"),
        pytest.param(whole(b'{"assets": []}'), id="wrong shape"),
    ],
)
async def test_an_item_that_is_of_no_use_is_no_fault(bench, answer):
    found, targets = await asked(bench, [answer], NAME)
    assert found == [{}]
    assert targets


async def test_a_host_that_gives_nothing_is_soon_left_alone(bench):
    names = [f"{PRODUCT[:-2]}T{n}_SR_B3.TIF".replace("004053", f"00405{n}") for n in range(1, 3)] * 2
    names += [NAME.replace("004053", f"10{n}053") for n in range(5)]
    found, targets = await asked(bench, [status(404)], *names)
    assert found == [{}] * len(names)
    assert len(targets) < 16


async def test_files_that_belong_to_no_product_are_not_asked_for(bench):
    assert await asked(bench, [status(404)], "readme.txt", "LC08_CU_008001_20231101_20231116_02_SR_B3.TIF") == (
        [{}, {}],
        [],
    )
