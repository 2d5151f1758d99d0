from __future__ import annotations

import json

import pytest

from landsat_async.stac.mtl import MTL_BYTES_MAX, UnreadableMtl, read_mtl
from tests.stac.mtl_texts import GROUPS, L2, as_text, groups


def as_xml(found):
    inside = "".join(
        f"<{name}>{''.join(f'<{key}>{value}</{key}>' for key, value in rows.items())}</{name}>"
        for name, rows in found.items()
    )
    return f"<LANDSAT_METADATA_FILE>{inside}</LANDSAT_METADATA_FILE>".encode()


FORMS = {
    "MTL.txt": as_text(GROUPS),
    "MTL.xml": as_xml(GROUPS),
    "MTL.json": json.dumps({"LANDSAT_METADATA_FILE": GROUPS}).encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_three_forms_say_the_same(name):
    mtl = read_mtl(FORMS[name], f"{L2}_{name}")
    assert {key: dict(rows) for key, rows in mtl.groups.items() if rows} == GROUPS
    assert mtl.product_id == L2


def test_the_first_group_that_has_a_key_counts_and_null_is_nothing():
    mtl = read_mtl(as_text(GROUPS), "MTL.txt")
    assert mtl.text("DATE_PRODUCT_GENERATED", "LEVEL1_PROCESSING_RECORD", "LEVEL2_PROCESSING_RECORD") is not None
    assert mtl.text("RADIANCE_MULT_BAND_1", "LEVEL1_RADIOMETRIC_RESCALING") is None
    assert mtl.number("CLOUD_COVER", "IMAGE_ATTRIBUTES") == 4.27
    assert mtl.number("DATE_ACQUIRED", "IMAGE_ATTRIBUTES") is None
    assert mtl.number("CLOUD_COVER", "NOWHERE") is None


def test_values_without_quotes_and_windows_line_ends_are_read():
    mtl = read_mtl(as_text(GROUPS).replace(b'"', b"").replace(b"\n", b"\r\n"), "x_MTL.txt")
    assert mtl.number("SUN_AZIMUTH", "IMAGE_ATTRIBUTES") == -112.5


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("MTL.txt", b"nothing"),
        ("MTL.txt", as_text(groups(PRODUCT_CONTENTS={"LANDSAT_PRODUCT_ID": None}))),
        ("MTL.xml", b"<LANDSAT"),
        ("MTL.xml", b'<!DOCTYPE a [<!ENTITY b "c">]>' + FORMS["MTL.xml"]),
        ("MTL.json", b"[]"),
        ("MTL.json", b"{}"),
        ("MTL.txt", b" " * (MTL_BYTES_MAX + 1)),
    ],
)
def test_what_is_no_metadata_file_is_refused(name, data):
    with pytest.raises(UnreadableMtl):
        read_mtl(data, name)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_a_number_is_finite(value):
    mtl = read_mtl(as_text(groups(IMAGE_ATTRIBUTES={"CLOUD_COVER": value})), "MTL.txt")
    assert mtl.number("CLOUD_COVER", "IMAGE_ATTRIBUTES") is None
