from __future__ import annotations

import pytest

from landsat_async.proof.kinds import FileKind, WrongBody, is_doubtful, kind_of, one_line, sniff, speaks_of_maintenance

MIB = 2**20
TAR_HEAD = b"LC08_MTL.txt".ljust(257, b"\0") + b"ustar\00000".ljust(255, b"\0")
LOGIN_PAGE = b"""<!DOCTYPE html>
<html lang="en"><head><title>EROS Registration System - Sign In</title></head><body></body></html>"""
MAINTENANCE_PAGE = b"<html><head><title>LandsatLook is down for maintenance</title></head></html>"
S3_ERROR = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Request has expired</Message><Expires>2024</Expires></Error>"""
M2M_ERROR = b'{"requestId": 12, "version": "stable", "errorCode": "AUTH", "errorMessage": "Not allowed"}'
PAGES = {
    "html": LOGIN_PAGE,
    "bare title": b"<TITLE>Error</TITLE>",
    "late html": b"\r\n\r\n  <html><body>Sorry</body></html>",
    "utf-8 mark": b"\xef\xbb\xbf<!doctype HTML><p>no",
    "xml": S3_ERROR,
    "json": M2M_ERROR,
    "array": b'[{"error": 1}]',
    "pdf": b"%PDF-1.7\n\0\0",
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("LC08_L2SP_004053_20240705_20240714_02_T1.tar", FileKind.TAR),
        ("LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF", FileKind.TIFF),
        ("x_refl.tif", FileKind.TIFF),
        ("LC08_X_MTL.txt", FileKind.TEXT_MTL),
        ("LC08_X_ANG.txt", FileKind.TEXT_ANG),
        ("LC08_X_MTL.xml", FileKind.XML),
        ("LC08_X_SR_stac.json", FileKind.JSON),
        ("LC08_X_thumb_small.jpeg", FileKind.JPEG),
        ("LC08_X_refl.jpg", FileKind.JPEG),
        ("LE07_X_GCP.txt", FileKind.OTHER),
        ("LE07_X.tar.gz", FileKind.OTHER),
        ("", FileKind.OTHER),
    ],
)
def test_a_name_promises_a_kind(name, kind):
    assert kind_of(name) is kind


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (FileKind.TAR, TAR_HEAD),
        (FileKind.TIFF, b"II*\0\x08\0\0\0"),
        (FileKind.TIFF, b"MM\0*\0\0\0\x08"),
        (FileKind.TIFF, b"II+\0\x08\0\0\0"),
        (FileKind.TIFF, b"MM\0+\0\x08\0\0"),
        (FileKind.TEXT_MTL, b"GROUP = LANDSAT_METADATA_FILE\n  GROUP = PRODUCT_CONTENTS\n"),
        (FileKind.TEXT_ANG, b"\r\nGROUP = FILE_HEADER\n"),
        (FileKind.XML, b'<?xml version="1.0"?>\n<LANDSAT_METADATA_FILE>\n'),
        (FileKind.XML, b"<!-- made --><LANDSAT_METADATA_FILE>"),
        (FileKind.JSON, b'{"LANDSAT_METADATA_FILE": {'),
        (FileKind.JSON, b'{\n  "stac_version": "1.0.0",'),
        (FileKind.JSON, b'{"type": "Feature", "stac_version": "1.0.0"'),
        (FileKind.JPEG, b"\xff\xd8\xff\xe0\0\x10JFIF"),
        (FileKind.OTHER, b"GCP file\n1 2 3\n"),
        (FileKind.OTHER, b"PK\x03\x04 a zip under its own name"),
        (FileKind.OTHER, b"\x00\x01\x02"),
    ],
)
@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "application/x-tar"])
def test_a_body_that_keeps_its_promise_passes(kind, head, content_type):
    assert sniff(kind, head, content_type) is None


@pytest.mark.parametrize("kind", [FileKind.TAR, FileKind.TIFF, FileKind.TEXT_MTL, FileKind.JPEG])
def test_a_magic_number_beats_a_wrong_content_type(kind):
    heads = {
        FileKind.TAR: TAR_HEAD,
        FileKind.TIFF: b"II*\0",
        FileKind.TEXT_MTL: b"GROUP = A",
        FileKind.JPEG: b"\xff\xd8\xff",
    }
    assert sniff(kind, heads[kind], "text/html; charset=utf-8") is None


@pytest.mark.faults("F05", "F06")
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", list(FileKind))
def test_no_page_or_error_document_becomes_a_product(kind, page):
    wrong = sniff(kind, PAGES[page], None)
    if kind is FileKind.JSON and page == "array":
        return  # an array is JSON; that it is no product is found out by the proof
    assert isinstance(wrong, WrongBody)


@pytest.mark.faults("F05")
@pytest.mark.parametrize(
    ("text", "maintenance"),
    [
        ("503 Service Temporarily Unavailable", False),
        ("unable to service your request due to maintenance downtime or\ncapacity problems", False),
        ("Unscheduled outage", False),
        ("Scheduled Maintenance", True),
        ("Scheduled system outage", True),
        ("Outage window: Wednesday", True),
        ("The site is temporarily offline", True),
        ("We will be back soon", True),
    ],
)
def test_only_a_page_that_speaks_of_maintenance_announces_it(text, maintenance):
    assert speaks_of_maintenance(text) is maintenance
    assert sniff(FileKind.TIFF, f"<html><title>{text}</title></html>".encode(), "text/html").maintenance is maintenance


@pytest.mark.parametrize(
    ("body", "login"),
    [
        (b'{"message": "Invalid signature"}', True),
        (b'{"error": "The link has expired"}', True),
        (b'{"error": "expired"}', True),
        (b'{"message": "We failed"}', False),
        (b'{"message": "upstream certificate has expired"}', False),
        (b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", True),
        (b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", True),
        (b"<Error><Code>SignatureDoesNotMatch</Code></Error>", True),
        (b"<Error><Code>ExpiredToken</Code></Error>", True),
        (b"<Error><Code>InternalError</Code></Error>", False),
        (b"<Error><Code>NoSuchKey</Code></Error>", False),
    ],
)
@pytest.mark.faults("F06", "F09")
@pytest.mark.parametrize("kind", [FileKind.TAR, FileKind.TIFF, FileKind.XML, FileKind.JSON])
def test_F09_a_message_about_the_links_signature_is_told_from_other_messages(kind, body, login):
    wrong = sniff(kind, body, "application/json")
    assert wrong is not None
    assert wrong.login is login


def test_a_login_page_is_told_from_a_maintenance_page():
    login = sniff(FileKind.TAR, LOGIN_PAGE, "text/html")
    assert (login.what, login.login, login.maintenance) == ("html", True, False)
    assert login.first_line == "EROS Registration System - Sign In"
    down = sniff(FileKind.TIFF, MAINTENANCE_PAGE, "text/html")
    assert (down.what, down.login, down.maintenance) == ("html", False, True)
    assert down.first_line == "LandsatLook is down for maintenance"


@pytest.mark.faults("F06")
def test_error_documents_say_what_they_say():
    assert sniff(FileKind.TAR, S3_ERROR, None).first_line == "AccessDenied"
    assert sniff(FileKind.XML, S3_ERROR, "application/xml").what == "xml"
    wrong = sniff(FileKind.JSON, M2M_ERROR, "application/json")
    assert (wrong.what, wrong.first_line) == ("json", "Not allowed")


@pytest.mark.parametrize(
    ("kind", "head", "what"),
    [
        (FileKind.TAR, b"\x1f\x8b\x08" + bytes(509), "gzip"),
        (FileKind.TAR, bytes(512), "binary"),
        (FileKind.TIFF, b"Service unavailable\n", "text"),
        (FileKind.TIFF, b"\0\0\0\0", "binary"),
        (FileKind.TEXT_MTL, b"Not Found", "text"),
        (FileKind.JPEG, b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", "binary"),
        (FileKind.XML, b"plain words", "text"),
        (FileKind.JSON, b"plain words", "text"),
        (FileKind.JSON, b"<html>", "html"),
    ],
)
def test_other_wrong_bodies_are_named(kind, head, what):
    assert sniff(kind, head, None).what == what


@pytest.mark.parametrize(
    ("kind", "head"),
    [(kind, b"") for kind in FileKind]
    + [(FileKind.TIFF, b"II"), (FileKind.TAR, TAR_HEAD[:200]), (FileKind.TEXT_ANG, b" GRO"), (FileKind.XML, b" \n")],
)
def test_what_is_too_short_to_decide_passes_unless_the_content_type_decides(kind, head):
    assert sniff(kind, head, None) is None
    if kind is not FileKind.XML:
        assert sniff(kind, head, "application/xml").what == "xml"
    assert sniff(kind, head, "text/html").what == "html"


@pytest.mark.faults("K09")
def test_K09_what_a_page_says_cannot_drive_a_terminal():
    page = b"<html><title>\xc2\x9b2J\xe2\x80\xaenow\x1b]0;owned\x07 [red]ok</title>"
    wrong = sniff(FileKind.TAR, page, None)
    assert (wrong.what, wrong.first_line) == ("html", "2J now ]0;owned [red]ok")
    assert one_line("\x1b[31mred\x1b]0;t\x07 \u202e\u2066back\n second") == "[31mred ]0;t back"
    assert len(one_line("word " * 500)) == 200
    assert one_line("\n \r\n  \n") == ""


@pytest.mark.parametrize(
    "secret",
    [
        "https://landsatlook.usgs.gov/gen-bundle?landsat_product_id=X&requestSignature=eyJhIjoiQiJ9SECRET",
        "/gen-bundle?landsat_product_id=LC08&requestSignature=SECRET",
        "dds.cr.usgs.gov/download-staging/eyJpZCI6SECRET",
        "requestSignature=SECRET",
        'contactId":"SECRET"',
        "eyJjb250YWN0SWQiOiIxMjM0NSJ9SECRETSECRET",
    ],
)
def test_what_a_page_echoes_of_the_link_is_masked(secret):
    said = one_line(f"The link {secret} has expired for LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF")
    assert "SECRET" not in said
    assert "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF" in said
    assert "SECRET" not in repr(sniff(FileKind.TAR, f"<title>{secret}</title>".encode(), None))


def test_hostile_heads_are_judged():
    """In milliseconds: `benchmarks.decisions` measures it."""
    heads = [b"<!--x-->" * 500, b"<?a?>" * 800, b"<!a>" * 1000, b"a:" * 2000, b"?a=" * 1400, b'{"' + b'\\"' * 2000]
    for head in heads:
        for kind in FileKind:
            verdict = sniff(kind, head, None)
            assert verdict is None or repr(verdict).isprintable()


@pytest.mark.faults("K27")
@pytest.mark.parametrize(
    ("size", "listed", "doubtful"),
    [
        (122, 60 * MIB, True),
        (29 * MIB - 1, 60 * MIB, True),
        (29 * MIB, 60 * MIB, False),
        (121 * MIB, 60 * MIB, False),
        (121 * MIB + 1, 60 * MIB, True),
        (10_000, 819_000_000, True),
        (1, 2 * MIB, False),
        (5 * MIB, 14_680_064, True),
        (1, None, False),
        (1, 0, False),
        (1, -5, False),
        (9 * MIB, 1, True),
    ],
)
def test_K27_a_size_far_from_the_listed_one_is_a_doubt(size, listed, doubtful):
    assert is_doubtful(size, listed) is doubtful
