"""No credential of a foreign text gets through, and what people need of it does."""

from __future__ import annotations

import base64
import json
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from landsat_async.rules.redact import quoted_from_outside, redact

SIGNATURE = base64.b64encode(json.dumps({"contactId": 7654321, "signature": "$5$$" + "x" * 43}).encode()).decode()
STAGING = base64.b64encode(b'{"id":123456,"contactId":7654321}').decode()
NAME = "LC08_L2SP_004053_20240705_20240714_02_T1_SR_B3.TIF"


@pytest.mark.faults("L34")
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"failed: https://landsatlook.usgs.gov/gen-bundle?landsat_product_id=LC08&requestSignature={SIGNATURE}",
         "failed: https://landsatlook.usgs.gov/***"),
        (f"see https://dds.cr.usgs.gov/download-staging/{STAGING} please", "see https://dds.cr.usgs.gov/*** please"),
        (f"dds.cr.usgs.gov/download/{STAGING}", "dds.cr.usgs.gov***"),
        ("https:\\/\\/h.usgs.gov\\/a?sig=1 x", "https://h.usgs.gov/*** x"),
        ("ask https://ana:pw@host/x", "ask https://host/***"),
        ("gone: /data/x.TIF?requestSignature=abc", "gone: ***"),
        ("no role for contact id 7654321", "no role for contact id ***"),
        ('{"contactId":7654321}', '{"contactId":***}'),
        ("contactId=7654321 and user id: 1234567", "contactId=*** and user id: ***"),
        ("the token is abc123", "the token is ***"),
        ("X-Auth-Token: Bearer abc", "X-Auth-Token: Bearer ***"),
        ('"password":"p w", api_key=k1', '"password":"*** w", api_key=***'),
        ("key eyJjaWQiOjc2NTQzMjEsInMiOiIxNzIwMDAwMDAwIn0 ends", "key *** ends"),
    ],
)  # fmt: skip
def test_L34_secrets_are_masked(text, kept):
    assert redact(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "See https://ers.cr.usgs.gov/profile/access.",
        f"https://landsatlook.usgs.gov/data/collection02/level-2/2024/004/053/{NAME}",
        f"{NAME} is temporarily disabled",
        "LC80040532024187LGN00 is no scene of landsat_ot_c2_l2",
        "dataset-download-options is not available to you",
        "Token has expired. Try again on 2024-07-05T12:00:00.",
        "15,000 downloads in 15 minutes",
        "",
    ],
)
def test_what_holds_no_secret_stays(text):
    assert redact(text) == text


_WORDS = st.text(string.ascii_letters + " .,:;()\"'", max_size=40)
_DIGITS = st.integers(1000, 10**9).map(str)
_TOKEN = st.text(string.ascii_letters + string.digits, min_size=6, max_size=300)
_PATH = st.text(string.ascii_letters + string.digits + "/._-", max_size=60)


@pytest.mark.faults("L34")
@settings(deadline=None)
@given(_WORDS, _WORDS, _PATH, _TOKEN, _DIGITS, st.sampled_from(["https", "http", "ftp", "s3"]))
@example("", "x" * 1950, "", "a" * 300, "1000", "https")
def test_L34_no_secret_survives_in_whatever_words_it_stands(before, after, path, token, number, scheme):
    secret = f"Zz{token}9q"
    for text in (
        f"{before} {scheme}://h.usgs.gov/{path}?requestSignature={secret} {after}",
        f"{after} {before}{scheme}://u:{secret}@h.usgs.gov/{path} ",
        f"{before} h.usgs.gov/{path}?a=1&b={secret}{after}",
        f"{before} /download-staging/{secret} {after}",
        f"{before} token={secret} {after}",
        f'{before} "apiKey": "{secret}" {after}',
    ):
        assert secret not in redact(text), text
        assert secret not in quoted_from_outside(text, 300)
    for text in (f"{before} contact id {number} {after}", f'{before} {{"contactId":{number}}} {after}'):
        assert number not in redact(text), text


@settings(deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(["https://", "h/", "?a=", "token", "=", " ", "***", "contact", "1234", "x" * 30, "download/", '"', "\\/", "@", "bearer"]), max_size=12).map("".join))  # fmt: skip # noqa: E501
def test_what_is_redacted_once_more_stays_without_what_was_masked(text):
    once = redact(text)
    assert len(redact(once)) <= len(once) + 3 * once.count("/")
    assert quoted_from_outside(text).isprintable()
    assert len(quoted_from_outside(text)) <= 80


@pytest.mark.parametrize("text", ["a", "https://", "?a", "contact ", "token is "])
def test_of_a_long_text_only_the_beginning_is_looked_at(text):
    assert len(redact(text * 10**4)) <= 2000
    assert redact(text * 10**4) == redact(text * 10**5)


@pytest.mark.faults("L34")
def test_L34_a_token_that_the_limit_cuts_in_half_is_left_out():
    assert "Zz9" not in redact("a " * 990 + "Zz9" * 40)
