from dataclasses import dataclass

import pytest

from landsat_async.m2m.replies import DownloadItem, DownloadReply, QueueItem
from landsat_async.m2m.tolerant import FailedItem
from landsat_async.rules.links import SecretUrl
from landsat_async.rules.observed import Fact
from landsat_async.run.matching import (
    AnswerRow,
    Refusal,
    fact_of_groups,
    from_queue,
    from_request,
    match,
    of_one_request,
    refusal_of,
    without_ids,
)


@dataclass(frozen=True)
class File:
    item_id: int
    entity_id: str
    name: str
    superseded_ids: tuple[int, ...] = ()
    product_id: str = "P"
    download_id: int | None = None
    kind: str = "file"


BUNDLE = File(1, "LC80", "LC08_A.tar")
BAND = File(2, "L2SR_LC08_A_SR_B3_TIF", "LC08_A_SR_B3.TIF")
URL = SecretUrl("https://host/x")


def answer(entity=None, name=None, url=URL, download_id=7):
    return AnswerRow(download_id, entity, name, url)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([answer("LC80")], {1}),
        ([answer("LC80", "LC08_A")], {1}),
        ([answer("LC80", "LC08_A_refl.tif")], set()),  # a browse image shares the scene's entity id
        ([answer(None, "LC08_A.tar")], {1}),  # answers before 2025 have no entity id
        ([answer(None, "lc08_a_sr_b3.tif")], {2}),
        ([answer("L2SR_LC08_A_SR_B3_TIF"), answer("LC80")], {1, 2}),
        ([answer("somebody else's")], set()),
        ([answer(None, None)], set()),
    ],
)
@pytest.mark.faults("A21", "E06")
def test_an_answer_is_taken_only_if_nothing_in_it_contradicts_the_file(rows, expected):
    assert set(match([BUNDLE, BAND], rows)) == expected


@pytest.mark.faults("E03", "E08")
@pytest.mark.parametrize("turned", [False, True])
def test_of_two_rows_for_one_file_the_one_with_a_link_counts(turned):
    rows = [answer("LC80", url=None), answer("LC80")]
    pairs = match([BUNDLE], rows[::-1] if turned else rows)
    assert pairs[1][1].url == URL


def test_rows_of_a_download_that_was_given_up_are_not_taken_for_its_successor():
    file = File(1, "LC80", "LC08_A.tar", superseded_ids=(7,))
    assert match([file], [answer("LC80", download_id=7)]) == {}
    assert set(match([file], [answer("LC80", download_id=7), answer("LC80", download_id=8)])) == {1}


TILE = "LC08_CU_008001_20231101_20231116_02"
REFLECTANCE = File(1, TILE, f"{TILE}_SR.tar", product_id="D773", download_id=71)
TEMPERATURE = File(2, TILE, f"{TILE}_ST.tar", product_id="D774", download_id=72)
UNNAMED = File(3, TILE, TILE, product_id="D775")


@pytest.mark.faults("K37")
def test_K37_bundles_of_one_tile_are_told_apart_by_product():
    files = [REFLECTANCE, TEMPERATURE, UNNAMED]
    for file in files:
        said = AnswerRow(9, TILE, TILE, URL, product_id=file.product_id)
        assert match(files, [said]) == {file.item_id: (file, said)}
    for file in files[:2]:  # the queue does not repeat the product, and it knows the download
        said = AnswerRow(file.download_id, TILE, TILE, URL)
        assert match(files, [said]) == {file.item_id: (file, said)}
    assert match(files[:2], [AnswerRow(9, TILE, TILE, URL)]) == {}  # never one of several at random
    assert match(files, [AnswerRow(9, TILE, f"{TILE}_ST.tar", URL, product_id="D773")]) == {}
    assert of_one_request([*files, BAND]) == [REFLECTANCE, BAND]


def test_an_answer_of_another_product_may_be_that_of_another_storage_system():
    said = answer("LC80", "LC08_A")
    assert match([BUNDLE], [AnswerRow(7, "LC80", "LC08_A", URL, product_id="of the other system")])
    assert match([BUNDLE], [said])


@pytest.mark.parametrize(
    ("names", "whose"),
    [
        (["LC08_A_SR_B3.TIF", None], "of no scenes but those of the list"),
        (["LC08_A_SR_B3.TIF", "LC09_B_SR_B3.TIF"], "also of scenes that the list has not"),
    ],
)
def test_an_answer_to_file_groups_shows_whether_the_list_bounds_it(names, whose):
    said = fact_of_groups(["LC08_A"], [answer("L2SR", name) for name in names])
    assert said == Fact("request", f"data groups bring files {whose}", 2.0)


def test_links_of_what_is_being_prepared_are_not_used_and_name_their_file():
    link = SecretUrl("https://host/a/LC08_A_SR_B3.TIF?requestSignature=x")
    reply = DownloadReply((DownloadItem(7, "E", link),), (DownloadItem(8, "F", link),), duplicates={8: "older"})
    ready, preparing = from_request(reply)
    assert (ready.url, ready.name, ready.label) == (link, "LC08_A_SR_B3.TIF", None)
    assert (preparing.url, preparing.name, preparing.label) == (None, "LC08_A_SR_B3.TIF", "older")


def test_a_licence_and_a_refusal_are_refusals_of_their_kind():
    reply = DownloadReply(
        (DownloadItem(7, "E", URL, eula="LIC"),), (), (FailedItem("F", "P", 8, "this product is temporarily disabled"),)
    )
    licence, disabled = from_request(reply)
    assert (licence.refusal, licence.message) == (Refusal.LICENCE, "LIC")
    assert (disabled.refusal, disabled.download_id, disabled.product_id) == (Refusal.DISABLED, 8, "P")


def test_a_row_of_the_queue_is_ready_when_it_has_a_link_whatever_its_letter():
    rows = from_queue([QueueItem(7, url=URL, status_code="P"), QueueItem(8, status_code="A"), QueueItem(9, eula="LIC")])
    assert [(row.url, row.proxied, row.refusal) for row in rows] == [
        (URL, True, None),
        (None, False, None),
        (None, False, Refusal.LICENCE),
    ]


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        ("You have exceeded the number of downloads", Refusal.LIMITS),
        ("Rate limit reached", Refusal.LIMITS),
        ("Temporarily Disabled", Refusal.DISABLED),
        ("no such product", Refusal.OTHER),
    ],
)
def test_a_refusal_is_read_from_its_words(message, refusal):
    assert refusal_of(message) is refusal


def test_refusals_without_ids_are_of_the_files_without_an_answer_when_their_numbers_agree():
    one = FailedItem(None, None, None, "no such product")
    assert set(without_ids([BUNDLE], DownloadReply(failed=(one,)))) == {1}
    assert without_ids([BUNDLE, BAND], DownloadReply(failed=(one,))) == {}
    unreadable = FailedItem(None, None, None, "failed is not a list", "download-request")
    assert without_ids([BUNDLE], DownloadReply(failed=(unreadable,))) == {}
