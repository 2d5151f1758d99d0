import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.model import Identity
from landsat_async.rules.identity import OtherFile, evidence_of_name, names_product, other_product
from landsat_async.transfer.headers import read_reply

ID = "LC08_L2SP_004053_20240705_20240714_02_T1"
OTHER = "LC09_L2SP_004053_20240713_20240714_02_T1"
BAND, BUNDLE, MTL = f"{ID}_SR_B3.TIF", f"{ID}.tar", f"{ID}_MTL.txt"
TILE = "LC08_CU_008001_20231101_20231116_02"
HOST = "https://landsatlook.usgs.gov"

SAME = [
    (BAND, BAND),
    (BAND, BAND.lower()),
    (BAND, f"{ID}_SR_B3.tiff"),
    (BAND, f"L2SR_{ID}_SR_B3_TIF"),
    (BUNDLE, BUNDLE),
    (MTL, f"{ID}_MTL.TXT"),
    (f"{TILE}_SR.tar", f"{TILE}_SR.tar"),
    ("D3C1203-100109F010.tgz", "D3C1203-100109F010.tgz"),
]
OTHERS = [
    (BAND, f"{OTHER}_SR_B3.TIF"),
    (BAND, f"{ID}_SR_B5.TIF"),
    (BAND, f"{ID}_SR_B5"),
    (BAND, f"{ID}_SR_B3.xml"),
    (BAND, f"{ID.replace('0714', '0720')}_SR_B3.TIF"),  # another processing of the scene
    (BAND, f"L2SR_{ID}_SR_B2_TIF"),
    (BAND, BUNDLE),
    (BAND, OTHER),
    (BUNDLE, f"{OTHER}.tar"),
    (BUNDLE, f"{OTHER}.tar.gz"),
    (BUNDLE, MTL),
    (BUNDLE, "LC90040532024195LGN00"),
    (BUNDLE, "LC80040532024203LGN00.tar"),
    (MTL, f"{ID}_MTL.xml"),
    (MTL, f"{ID}_ANG.txt"),
    (f"{ID}_ST_B10.TIF", f"{ID}_ST_B1.TIF"),
    (f"{TILE}_SR.tar", f"{TILE}_ST.tar"),
    (f"{TILE}_SR.tar", f"{TILE.replace('008001', '008002')}_SR.tar"),
]
SILENT = [
    (BAND, name)
    for name in (
        "download", "file.TIF", "f3a9c2e1b7.bin", "", "data", "gen-bundle", ID, "LC80040532024187LGN00",
        "LC80040532024187LGN00.TIF", "LO80040532024187LGN01", f"{ID}_SR_B3", f"{BAND}.gz", f"{BAND}.part",
        f"{ID}_SR_B3 (1).TIF", f"{ID}_SR_B3_5f3e.TIF", f"{ID}_1.TIF", f"{ID}_final.TIF", f"x{OTHER}_SR_B3.TIF",
        f"{OTHER}x", "LC80040532024187LGN00_download", "x" * 5000, "L" * 256,
    )
] + [
    (BUNDLE, name) for name in (f"{BUNDLE}.gz", f"{ID}.tgz", f"{ID}.zip", ID, f"{ID}.tar.gz.tar", "bundle.tar")
] + [(f"{TILE}.tar", "LC80040532024187LGN00"), (TILE, f"{TILE}_SR.tar"), ("odd.TIF", BAND)]  # fmt: skip


@pytest.mark.faults("K23")
@pytest.mark.parametrize(("expected", "name"), OTHERS)
def test_K23_the_name_of_another_file_speaks_against_it(expected, name):
    assert evidence_of_name(expected, filenames=[name]) == OtherFile(name)
    assert evidence_of_name(expected, filenames=[expected, name]) == OtherFile(name)
    assert evidence_of_name(expected, filenames=["download"], urls=[f"{HOST}/data/{name}?sig=1"]) == OtherFile(name)


@pytest.mark.parametrize(("expected", "name"), SAME)
def test_the_name_of_the_file_is_evidence_where_the_answer_carries_it(expected, name):
    assert evidence_of_name(expected, filenames=[name]) is Identity.NAMED
    assert evidence_of_name(expected, urls=[f"{HOST}/data/{name}"]) is Identity.NONE  # we have sent it ourselves


@pytest.mark.parametrize(("expected", "name"), SILENT)
def test_any_other_name_says_nothing(expected, name):
    assert evidence_of_name(expected, filenames=[name], urls=[f"{HOST}/{name}"]) is Identity.NONE


@pytest.mark.parametrize(
    ("query", "other"),
    [
        (f"landsat_product_id={ID}&requestSignature=eyJ", None),
        (f"landsat_product_id={OTHER}&requestSignature=eyJ", OTHER),
        (f"product_id={OTHER}", OTHER),
        (f"name={OTHER}.tar", f"{OTHER}.tar"),
        (f"response-content-disposition=attachment%3B%20filename%3D%22{OTHER}.tar%22", f"{OTHER}.tar"),
        (f"response-content-disposition=attachment%3B%20filename%2A%3DUTF-8%27%27{BUNDLE}", None),
        (f"entityId={OTHER}&x=1", OTHER),
        (f"displayId={ID}", None),
        (f"key=collection02/level-2/{OTHER}.tar", f"{OTHER}.tar"),
        (f"file=/a/b/{OTHER}.tar", f"{OTHER}.tar"),
        (f"referer={OTHER}&name=bundle", None),
        ("&" * 5000, None),
    ],
)
def test_a_link_may_name_in_its_parameters_what_it_leads_to(query, other):
    verdict = evidence_of_name(BUNDLE, urls=[f"{HOST}/gen-bundle?{query}"])
    assert verdict == (OtherFile(other) if other else Identity.NONE)


@pytest.mark.faults("N02")
@pytest.mark.parametrize("path", ["{}/download", "{}/", "{};v=1", "{};v=1/data/latest", "%4C{}"])
def test_N02_the_last_landsat_name_of_a_path_counts_wherever_it_stands(path):
    name = f"{OTHER}_SR_B3.TIF"
    assert evidence_of_name(BAND, urls=[f"{HOST}/data/{path.format(name[path[0] == '%' :])}"]) == OtherFile(name)
    assert evidence_of_name(BAND, urls=[f"{HOST}/data/{path.format(BAND[path[0] == '%' :])}"]) is Identity.NONE


def test_only_the_last_landsat_name_of_a_path_counts_and_a_path_is_no_name():
    links = [f"{HOST}/{OTHER}/{BAND}", f"{HOST}/download-staging/eyJpZCI6MX0="]
    assert evidence_of_name(BAND, urls=links) is Identity.NONE
    assert evidence_of_name(BAND, urls=["http://[broken", f"{HOST}/a%2F{OTHER}_SR_B3.TIF"]) is Identity.NONE


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (f'attachment; filename="{BAND}"', (BAND,)),
        (f"attachment; filename={BAND}", (BAND,)),
        (f"attachment; filename=\"a.TIF\"; filename*=UTF-8''{BAND}", ("a.TIF", BAND)),
        (f'attachment; filename="../../{BAND}"', ()),
        (f'attachment; filename="C:\\\\{BAND}"', ()),
        ("attachment", ()),
        ("inline; filename=", ()),
        (f"attachment; filename*=UTF-16''{BAND}", ()),
        (f'attachment; x="; filename=a.TIF"; filename="{BAND}"', (BAND,)),
    ],
)
def test_names_in_a_disposition(header, names):
    assert read_reply(200, lambda name, _: [header] if name == "Content-Disposition" else []).filenames == names


@pytest.mark.faults("N01")
@pytest.mark.parametrize(
    "header",
    [
        'filename="{}"',
        "filename={}",
        "attachment; filename='{}'",
        'attachment; filename="{}',
        "attachment; filename={} ",
        'attachment, filename="{}"',
        'attachment filename="{}"',
        "attachment; filename*={}",
        'attachment; filename*="{}"',
        "attachment; filename*=\"UTF-8''{}\"",
        "attachment; filename*=UTF-8''\"{}\"",
        "attachment; filename*=windows-1252''{}",
    ],
)
def test_N01_a_name_counts_however_carelessly_the_header_is_written(header):
    def said(name):
        reply = read_reply(200, lambda field, _: [header.format(name)] if field == "Content-Disposition" else [])
        return evidence_of_name(BAND, filenames=reply.filenames)

    assert said(BAND) is Identity.NAMED
    assert said(f"{OTHER}_SR_B3.TIF") == OtherFile(f"{OTHER}_SR_B3.TIF")


def test_ids_inside_a_file():
    scene = "LC80040532024187LGN00"
    assert other_product(MTL, [ID, OTHER]) == OTHER
    assert other_product(MTL, [ID, scene, "anything"]) is None
    assert names_product(MTL, ID)
    assert names_product(MTL, scene)
    assert not names_product(MTL, OTHER)
    assert not names_product("x.txt", ID)
    assert not names_product(MTL, "x")


@given(st.text(alphabet=string.printable, max_size=300), st.sampled_from([BAND, BUNDLE, MTL, TILE, "x.TIF"]))
def test_no_text_is_too_strange(text, expected):
    verdict = evidence_of_name(expected, filenames=[text], urls=[text, f"{HOST}/{text}?name={text}"])
    if isinstance(verdict, OtherFile):
        assert verdict.name.isascii()
        assert verdict.name.isprintable()
        assert len(verdict.name) <= 256
