from __future__ import annotations

import base64
import html
import json
import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.page.build import PageScene, build_page
from tests.page.scenes import HOSTILE, made_up, square

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def data_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def page_of(*scenes: PageScene, title: str = "a page", **more) -> str:
    return build_page(title, scenes, kind="scenes", made="2026-11-28 04:20 UTC", **more)


def test_scenes_are_counted_in_words_that_fit():
    assert "<p>1 scene, 2026" in page_of(*made_up(1))
    assert "<p>2 scenes, 2026" in page_of(*made_up(2))


def test_500_scenes_are_at_most_250_kb():
    assert len(build_page("x", made_up(500), kind="scenes", made="today").encode()) <= 250_000


def test_style_and_script_are_allowed_by_their_hashes_and_nothing_else_is():
    page = page_of(*made_up(3))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        assert rules[rule] == f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:|//)", page)
    assert "style=" not in page


@given(st.text(max_size=60))
def test_no_name_can_leave_the_place_it_stands_in(name):
    page = page_of(PageScene(name or "x", sensor=name), title=name, notes=[name])
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert data_of(page)["scenes"][0][0] == (name or "x")
    assert f"<h1>{html.escape(name)}</h1>" in page


def test_hostile_names_stay_text():
    page = page_of(PageScene(HOSTILE), title=HOSTILE)
    assert "<img" not in page
    assert data_of(page)["scenes"][0][0] == HOSTILE


def test_values_that_are_not_known_stay_unknown():
    row = dict(
        zip(data_of(page_of(PageScene("x")))["columns"], data_of(page_of(PageScene("x")))["scenes"][0], strict=True)
    )
    assert row["cloud"] is None
    assert row["coverage"] is None
    assert row["picture"] is None
    assert row["rings"] == []


@pytest.mark.parametrize(
    ("picture", "begin"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(9), "data:image/jpeg;base64,"),
        (PNG, "data:image/png;base64,"),
        (b"<svg onload=alert(1)>", None),
        (b"", None),
    ],
)
def test_only_pictures_become_pictures(picture, begin):
    link = data_of(page_of(PageScene("x", picture=picture)))["scenes"][0][-1]
    assert link is None if begin is None else link.startswith(begin)


def test_the_area_and_footprints_keep_100_m():
    page = page_of(PageScene("x", rings=[square(10.123456, 20.98765)]), area=[[square(1, 2, 0.5)]])
    assert data_of(page)["scenes"][0][8][0][0] == [9.223, 21.888]
    assert data_of(page)["area"][0][0][0] == [0.75, 2.25]


def test_the_coastlines_are_small_and_lie_on_earth():
    coast = data_of(page_of())["coast"]
    assert sum(map(len, coast)) < 32_000
    for line in coast:
        x = y = 0
        values = decode(line)
        for dx, dy in zip(values[::2], values[1::2], strict=True):
            x, y = x + dx, y + dy
            assert abs(x) <= 180 * 20
            assert abs(y) <= 90 * 20


def decode(line: str) -> list[int]:
    values, value, shift = [], 0, 0
    for sign in line:
        byte = ord(sign) - 63
        value |= (byte & 31) << shift
        shift += 5
        if byte < 32:
            values.append(~(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return values
