"""Products that come, are processed anew and go away while the simulator serves them."""

from __future__ import annotations

from datetime import date

import aiohttp
import pytest

from landsat_async.sim.archive import Archive
from landsat_async.sim.changes import Changes, NewProduct, NewVersion, change
from landsat_async.sim.scenes import Product
from tests.sim.client import L2, box

OLD = Product("LC08", "L1GT", 4, 53, date(2024, 7, 5), date(2024, 7, 6), "RT", 4.0, "dds")
DAY = date(2024, 7, 20)


def test_a_new_version_has_another_day_level_and_tier_and_the_old_one_is_gone() -> None:
    archive = Archive([OLD])
    done = change(archive, Changes(day=DAY, reprocess=(NewVersion(display_id=OLD.display_id, level="L1TP"),)))
    assert done["reprocessed"] == ["LC08_L1TP_004053_20240705_20240720_02_T1"]
    (new,) = archive
    assert (new.display_id, new.published, new.entity_id) == (done["reprocessed"][0], DAY, OLD.entity_id)
    with pytest.raises(KeyError):
        change(archive, Changes(remove=(OLD.display_id,)))
    with pytest.raises(ValueError, match="another dataset"):
        archive.reprocess(new.display_id, level="L2SP")


def test_what_is_ingested_late_is_found_by_its_day() -> None:
    archive = Archive([])
    wanted = NewProduct(sensor="LT05", level="L2SP", path=4, row=53, acquired=date(1990, 2, 15))
    change(archive, Changes(day=DAY, add=(wanted,)))
    (product,) = archive
    assert (product.processed, product.published) == (DAY, DAY)


async def test_it_can_be_changed_over_http_while_it_serves() -> None:
    async with box(Archive([OLD])) as (sim, client), aiohttp.ClientSession() as session:
        url = sim.control_url + "archive"
        added = {"sensor": "LC08", "level": "L2SP", "path": 4, "row": 53, "acquired": "2024-07-05"}
        async with session.post(url, json={"day": "2024-07-20", "add": [added]}) as answer:
            assert (answer.status, await answer.json()) == (
                200, {"added": ["LC08_L2SP_004053_20240705_20240720_02_T1"], "reprocessed": [], "removed": []},
            )  # fmt: skip
        found = {}
        for first in ("2024-07-20", "2024-07-21"):
            ask = {"datasetName": L2, "sceneFilter": {"ingestFilter": {"start": first, "end": "2024-08-01"}}}
            found[first] = (await client.call("scene-search", ask))["totalHits"]
        assert found == {"2024-07-20": 1, "2024-07-21": 0}
        for wrong in ({"remove": ["nothing"]}, {"adds": []}, {"reprocess": [{"display_id": "x"}]}):
            async with session.post(url, json=wrong) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"]
