from __future__ import annotations

import pytest

from landsat_async.model import Proof
from landsat_async.proof.prove import Damaged, Proved
from landsat_async.sim.browse import jpeg
from tests.disk.whole_files import ANG, HTML, MTL_JSON, MTL_XML, judge, mtl

GOOD = Proved(Proof.STRUCTURE)


def refused(data: bytes, name: str) -> str:
    verdict = judge(data, name)
    assert isinstance(verdict, Damaged)
    assert verdict.reason.isprintable()
    return verdict.reason


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("P_MTL.txt", mtl()),
        ("P_MTL.txt", mtl(end=False)),  # as written in 2021 and 2022
        ("P_MTL.txt", mtl().replace(b"\n", b"\r\n")),
        ("P_MTL.txt", mtl() + b"\n\n"),
        ("P_MTL.txt", mtl().rstrip()),
        ("P_ANG.txt", ANG),
        ("P_MTL.xml", MTL_XML),
        ("P_other.xml", b"<anything/>"),
        ("P_MTL.json", MTL_JSON),
        ("P_stac.json", b'{"type": "Feature", "stac_version": "1.0.0", "assets": {}}'),
        ("P_other.json", b'{"any": [1, 2.5e3, null, "\\u00e9"]}'),
        ("P_thumb_small.jpeg", jpeg("one")),
    ],
)
def test_whole_texts_pass(name, data):
    assert judge(data, name) == GOOD
    assert judge(data, name, level=Proof.CONTENT) == GOOD  # there are no pixels in them


@pytest.mark.parametrize(
    ("name", "data", "needless"),
    [
        ("P_MTL.txt", mtl(), len(b"\nEND\n")),  # END is not always there, so its loss cannot be seen
        ("P_MTL.txt", mtl(end=False), 1),
        ("P_ANG.txt", ANG, 1),
        ("P_MTL.xml", MTL_XML, 1),
        ("P_MTL.json", MTL_JSON, 0),
        ("P_thumb.jpeg", jpeg("one"), 0),
    ],
)
def test_a_text_cut_anywhere_is_refused(name, data, needless):
    for size in range(1, len(data) - needless):
        refused(data[:size], name)


@pytest.mark.faults("F31")
@pytest.mark.parametrize(
    ("name", "data"),
    [("P_MTL.txt", mtl()), ("P_ANG.txt", ANG), ("P_MTL.xml", MTL_XML), ("P_MTL.json", MTL_JSON)],
)
def test_an_error_page_behind_a_cut_is_refused(name, data):
    for at in range(len(data) + 1):
        refused(data[:at] + HTML, name)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ANG.replace(b"END\n", b"", 3).replace(b"END_GROUP = RPC_BAND11", b"END_GROUP = RPC_BAND12"), "match"),
        (ANG.replace(b"\nEND\n", b"\n"), "no end"),
        (ANG + b"GROUP = MORE\n", "behind its end"),
        (ANG[:-1] + b"\0\0\0\n", "no text"),
        (ANG.replace(b"LIST", b"L\x00ST"), "no text"),
        (ANG.replace(b"LIST", b"L\x1bST"), "no text"),
        (ANG.replace(b"LIST", b"L\xffST"), "no text"),
        (b"GROUP = A\n" * 500 + b"END_GROUP = A\n" * 500 + b"END\n", "never end"),
        (b"GROUP = A\nEND\n", "cut off"),
        (b"GROUPING is not a group\nEND\n", "no end"),
    ],
)
def test_damaged_metadata_texts_are_refused(data, reason):
    assert reason in refused(data, "P_ANG.txt")


@pytest.mark.faults("K17")
def test_K17_xml_with_entities_is_refused_before_it_grows():
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
    )
    assert "document type" in refused(bomb + b"]><x>&j;</x>", "P_MTL.xml")
    outside = b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><LANDSAT_METADATA_FILE/>'
    assert "document type" in refused(outside, "P_MTL.xml")


@pytest.mark.faults("K17")
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("P_MTL.xml", b"<a>" * 200_000),
        ("P_MTL.xml", b"<LANDSAT_METADATA_FILE>" + b"<a/>" * 100_001 + b"</LANDSAT_METADATA_FILE>"),
        ("P_MTL.xml", b"<LANDSAT_METADATA_FILE>&undefined;</LANDSAT_METADATA_FILE>"),
        ("P_MTL.xml", b"<LANDSAT_METADATA_FILE/>" * 2),
        ("P_MTL.xml", b"<other/>"),
        ("P_MTL.xml", '<?xml version="1.0" encoding="utf-16"?><LANDSAT_METADATA_FILE/>'.encode("utf-16")),
        ("P_MTL.json", b"[" * 100_000),
        ("P_MTL.json", b'{"LANDSAT_METADATA_FILE":' * 50_000),
        ("P_MTL.json", b'{"LANDSAT_METADATA_FILE": 1' + b"0" * 10_000),
        ("P_MTL.json", b'{"stac_version": "1.0.0"}'),
        ("P_stac.json", MTL_JSON),
        ("P_MTL.json", b'["LANDSAT_METADATA_FILE"]'),
        ("P_MTL.json", b'{"LANDSAT_METADATA_FILE": NaN}'),
        ("P_MTL.txt", b"GROUP = A\n" + b"x" * (17 * 2**20)),
    ],
)
def test_hostile_documents_are_refused(name, data):
    refused(data, name)


@pytest.mark.faults("K34")
@pytest.mark.parametrize("end", [True, False])
def test_K34_a_metadata_text_that_stands_twice_in_one_file_is_damaged(end):
    for second in (mtl(end=end), mtl(), b"GROUP = MORE\nEND_GROUP = MORE\n"):
        assert "behind its end" in refused(mtl(end=end) + second, "P_MTL.txt")
    assert "behind its end" in refused(ANG + ANG, "P_ANG.txt")
