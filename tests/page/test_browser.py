"""The page in a real browser without a network: looked at, clicked through, photographed."""

from __future__ import annotations

import json

import pytest

from landsat_async.page.build import PageScene, build_page
from tests.page.scenes import HOSTILE, made_up, square
from tests.support.browser import CHROMIUM, open_browser

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: pages are not tried in a browser"),
    pytest.mark.timeout(120),
]
HAS_JPEG = b"\xff\xd8\xff\xe0" + bytes(30)


async def test_a_page_is_clicked_through_without_a_network(tmp_path):
    scenes = made_up(60)
    scenes.append(PageScene(HOSTILE, "2024-01-01", HOSTILE, picture=HAS_JPEG, rings=[square(179.9, 10)]))
    path = tmp_path / "page.html"
    path.write_text(build_page("Lake", scenes, kind="scenes", made="today", area=[[square(-68, 10, 0.4)]]))
    async with open_browser(tmp_path) as page:
        await page.open(path)
        assert await page.run("document.querySelectorAll('.scene').length") == 61
        assert await page.run("document.querySelectorAll('#rows tr').length") == 61
        first = await page.run("document.querySelector('#rows tr').dataset.index")

        await page.click("document.querySelector('#rows tr')")
        assert await page.run("ids.value") == scenes[int(first)].display_id
        assert await page.run("document.querySelectorAll('.picked').length") == 3, "row, footprint and dot share it"
        await page.click("document.querySelector('#rows tr')")
        assert await page.run("ids.value") == ""

        await page.click("document.querySelector('.scene[data-index=\"60\"]')")
        assert json.loads(await page.run("JSON.stringify(ids.value)")) == HOSTILE
        await page.click("document.getElementById('none')")

        await page.click("document.querySelector('th[data-key=cloud] button')")
        clouds = await page.run("[...document.querySelectorAll('#rows tr')].map(r => r.cells[5].textContent)")
        numbers = [float(text) for text in clouds if text != "unknown"]
        assert numbers == sorted(numbers)
        assert clouds[: len(numbers)] == [text for text in clouds if text != "unknown"]

        await page.run("filter.value = 'lc09'; filter.oninput()")
        await page.click("document.getElementById('all')")
        picked = (await page.run("ids.value")).split("\n")
        assert sorted(picked) == sorted(scene.display_id for scene in scenes if scene.sensor == "LC09")
        await page.photograph(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 20_000

    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    assert page.complaints == []


async def test_a_page_without_scenes_says_so_and_works(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(build_page("Nothing", [], kind="report", made="today"))
    async with open_browser(tmp_path) as page:
        await page.open(path)
        assert await page.run("document.querySelector('header p').textContent") == "0 scenes, today"
    assert page.complaints == []
