from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.rules.observed import (
    HIDDEN,
    HOSTS_MOST,
    NOTED_MOST,
    OTHERS,
    TOPICS,
    VALUES_MOST,
    Fact,
    Observations,
    Seen,
    code_of,
    host_text,
    safe,
    words_of,
)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("m2m.cr.usgs.gov", "m2m.cr.usgs.gov"),
        ("LandsatLook.usgs.gov:443", "landsatlook.usgs.gov"),
        ("dds.cr.usgs.gov", "dds.cr.usgs.gov"),
        ("127.0.0.1:8000", "this computer"),
        ("[::1]", "this computer"),
        ("::1", "this computer"),
        ("localhost", "this computer"),
        ("lc80040532024187lgn00.usgs.gov", "another host"),
        ("proxy.company.example", "another host"),
        ("usgs.gov.evil.example", "another host"),
        ("", "another host"),
    ],
)
def test_hosts_of_usgs_go_by_their_names_and_all_others_by_their_kind(host, shown):
    assert host_text(host) == shown


@pytest.mark.faults("P08")
@pytest.mark.parametrize(
    "value",
    [
        "LC80040532024187LGN00", "x LC08_L2SP_004053_20240705_20240714_02_T1", "https://a/b", "a@b", "1234567",
        "d0f9a6b3c2e1", "ä", "x" * 81, "", "a\nb", "a" * 36, "5f85f041a2ea7695", "?sig=x", "{}",
    ],
)  # fmt: skip
def test_P08_a_value_that_could_be_an_id_a_link_or_a_token_is_hidden(value):
    assert safe(value) == HIDDEN


def test_values_of_ours_are_shown():
    for value in (
        "HTTP 403, text/html, Content-Length",
        "tar: strong ETag, Last-Modified there",
        "AUTH_INVALID: HTTP 401",
    ):
        assert safe(value) == value


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Rate limit exceeded for user ana (id 1234567)", "rate limit exceeded for user ... id ..."),
        ("", ""),
        ("xyz abc", "..."),
        ("The file LC80040532024187LGN00 is temporarily disabled!", "the file ... is temporarily disabled"),
    ],
)
def test_of_foreign_texts_only_known_words_are_kept(text, kept):
    assert words_of(text) == kept


def test_codes_have_their_form():
    assert code_of("AUTH_UNAUTHROIZED") == "AUTH_UNAUTHROIZED"
    assert code_of("T0k3n") == code_of("ana") == code_of("") == HIDDEN


def test_counts_are_merged_and_taken():
    seen = Observations()
    seen.note(("127.0.0.1", [Fact("links", "worked", 3.0), Fact("links", "worked", 1.0), Fact("links", "worked")]))
    seen.note(("127.0.0.1", [Fact("links", "worked", math.inf), Fact("no topic", "x")]))
    assert seen.take() == {("this computer", "links", "worked"): Seen(4, 1.0, 3.0)}
    assert seen.take() == {}
    facts = [Fact("links", "worked", 1.0, 3.0, 5), Fact("links", "worked"), Fact("links", "worked", 2.0)]
    seen.note(("127.0.0.1", facts))
    assert seen.take() == {("this computer", "links", "worked"): Seen(7, 1.0, 3.0)}


def test_facts_are_made_when_they_are_counted_or_taken():
    made = []

    def facts(number):
        made.append(number)
        yield Fact("links", "worked")

    seen = Observations()
    for number in range(5):
        seen.note(("localhost", facts(number)))
    assert made == []
    seen.count()
    assert made == list(range(5))
    seen.note(("localhost", facts(5)))
    assert seen.take()["this computer", "links", "worked"].times == 6


@pytest.mark.faults("P08")
def test_P08_of_what_nobody_counts_the_last_is_kept():
    seen = Observations()
    for number in range(NOTED_MOST + 3):
        seen.note(("localhost", [Fact("links", "worked", float(number))]))
    assert seen.take() == {("this computer", "links", "worked"): Seen(NOTED_MOST, 3.0, NOTED_MOST + 2.0)}


@pytest.mark.faults("P08")
def test_P08_what_is_kept_is_bounded():
    seen = Observations()
    for number in range(HOSTS_MOST + 50):
        letters = f"{chr(97 + number % 26)}{chr(97 + number // 26)}"
        facts = [Fact(topic, f"{letters} {one}") for topic in TOPICS for one in range(100)]
        seen.note((f"{letters}.usgs.gov", facts))
    kept = seen.take()
    assert len(kept) <= HOSTS_MOST * len(TOPICS) * (VALUES_MOST + 1)
    assert ("aa.usgs.gov", "links", OTHERS) in kept


CANARIES = ["T0k3nCANARY9f8e7d6c5b", "LC80040532024187LGN00", "LC08_L2SP_004053_20240705_20240714_02_T1", "/x?sig=abc"]


@pytest.mark.faults("P08")
@given(st.sampled_from(CANARIES), st.text(max_size=30), st.text(max_size=30))
def test_P08_no_canary_gets_through_whatever_stands_around_it(canary, before, after):
    text = before + canary + after
    for shown in (safe(text), words_of(text), host_text(text), code_of(text)):
        assert canary.lower() not in shown.lower()
    assert re.fullmatch(r"[a-z. ]*", words_of(text))
