from dataclasses import dataclass

import pytest

from landsat_async.model import SecretUrl
from landsat_async.rules.observed import Fact
from landsat_async.run.matching import AnswerRow, fact_of_groups, match, of_one_request


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
