"""Products of one tile are asked for apart: answers repeat no product id, and all other ids are the same."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from landsat_async.run.matching import of_one_request, product_apart
from landsat_async.run.requester import LABEL_DOWNLOADS, Requester


def item(number, kind="product", product="SR"):
    return SimpleNamespace(item_id=number, entity_id=f"E{number}", kind=kind, product_id=product)


@pytest.mark.faults("M37")
def test_M37_a_request_holds_one_product_or_files_that_are_known_by_their_entity_ids():
    files = [item(1), item(2, product="ST"), item(3), item(4, "bundle", "SR")]
    assert [one.item_id for one in of_one_request(files)] == [1, 3]
    assert [one.item_id for one in of_one_request(files[1:])] == [2]
    bundles = [item(1, "bundle", "a"), item(2, "file", "b"), item(3)]
    assert [one.item_id for one in of_one_request(bundles)] == [1, 2]
    assert of_one_request([]) == []


@pytest.mark.faults("M37")
def test_M37_a_label_holds_one_product_so_that_a_lost_answer_can_be_looked_up():
    config = SimpleNamespace(download=SimpleNamespace(queue_size=8))
    context = SimpleNamespace(run_id="r", routes=SimpleNamespace(may_replace_bundles=False), config=config)
    requester = Requester(context)
    labels = [
        requester._label(8, product_apart(one)) for one in (item(1), item(2, product="ST"), item(3), item(4, "file"))
    ]
    assert labels[0] == labels[2]
    assert len(set(labels)) == 3
    assert requester._label(LABEL_DOWNLOADS, "SR") not in labels
