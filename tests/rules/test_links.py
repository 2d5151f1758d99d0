"""Which links may be followed, and which of them say nothing but the name of their file."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.model import Identity
from landsat_async.rules.identity import evidence_of_name
from landsat_async.rules.links import AllowedHosts, LinkRefused, SecretUrl, ends_with_name, host_in, read_link

NAME = "LC08_L2SP_004053_20240705_20240712_02_T1_SR_B3.TIF"
OTHER = "LC09_L2SP_004053_20240713_20240714_02_T1_SR_B3.TIF"


REFUSED = [
    "http://dds.cr.usgs.gov/x",
    "https://example.org/x",
    "https://usgs.gov.example.org/x",
    "https://evilusgs.gov/x",
    "https://user@dds.cr.usgs.gov/x",
    "https://127.0.0.1/x",
    "https://[::1]/x",
    "https://2130706433/x",
    "http://169.254.169.254/x",
    "file:///etc/passwd",
    "ftp://dds.cr.usgs.gov/x",
    "data:text/plain,x",
    "//dds.cr.usgs.gov/x",
    "dds.cr.usgs.gov/x",
    "https:///x",
    "https://dds.cr.usgs.gov:99999/x",
    "https://dds.cr.usgs.gov/x y",
    "https://dds.cr.usgs.gov/x\r\nX-Evil: 1",
    "https://dds.cr.usgs.gov/\x7f",
    "https://dds.cr.usgs.gov/é",
    "https://dds.cr.usgs.gov/" + "x" * 70_000,
    "",
]


@pytest.mark.faults("K05")
@pytest.mark.parametrize("link", REFUSED)
def test_K05_links_that_are_never_followed(link):
    hosts = AllowedHosts.for_service("https://m2m.cr.usgs.gov/api/api/json/stable/", ["*.usgs.gov"])
    with pytest.raises(LinkRefused) as refused:
        hosts.check(read_link(link))
    assert "/x" not in str(refused.value)


@pytest.mark.parametrize(
    "link", ["https://dds.cr.usgs.gov/x", "https://LandsatLook.USGS.gov./x", "https://m2m.example/x"]
)
def test_links_that_are_followed(link):
    AllowedHosts.for_service("https://m2m.example/", ["*.usgs.gov"]).check(read_link(link))


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:81/x", "http://[::1]/x", "http://127.9.9.9/", "https://localhost/x"]
)
def test_loopback_is_for_services_on_loopback_only(link):
    AllowedHosts.for_service("http://localhost:8000/api/", []).check(read_link(link))
    with pytest.raises(LinkRefused):
        AllowedHosts.for_service("https://m2m.cr.usgs.gov/", ["*.usgs.gov"]).check(read_link(link))


def test_a_link_is_masked_wherever_it_is_shown_and_revealed_as_it_came():
    link = SecretUrl("https://host:8443/x?requestSignature=abc")
    assert repr(link) == str(link) == f"{link}" == "SecretUrl('***')"
    assert link.reveal() == pickle.loads(pickle.dumps(link)).reveal() == "https://host:8443/x?requestSignature=abc"
    assert link == SecretUrl(link.reveal()) != SecretUrl("https://host/x")
    assert host_in(link) == "host:8443"
    assert host_in(SecretUrl("https://host/x y")) == ""


@pytest.mark.parametrize(
    ("link", "does"),
    [
        (f"https://host/data/{NAME}", True),
        (f"https://host/data/{NAME}?requestSignature=abc&expires=1", True),
        (f"https://host/data/x{NAME}", False),
        (f"https://host/data/{NAME}/download", False),
        (f"https://host/data/{NAME}?file={OTHER}", False),
        (f"https://host/data/{OTHER}#/{NAME}", False),
        (f"https://host/data/{OTHER}?/{NAME}", False),
    ],
)
def test_what_says_nothing_but_the_name_of_its_file(link, does):
    assert ends_with_name(link, NAME) is does


PIECES = st.sampled_from(
    ["/", "?", "#", "&", "=", ";", "%2F", NAME, OTHER, "id", "file", "sig", "LC80040532024187LGN00"]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_nothing_speaks_against_a_link_that_ends_with_the_name(rest):
    for link in (f"https://host/{rest}", f"https://host/{rest}/{NAME}", f"https://host/{NAME}?{rest}"):
        assert not ends_with_name(link, NAME) or evidence_of_name(NAME, urls=[link]) is Identity.NONE
