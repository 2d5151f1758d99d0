"""What is asked for next, and that the plan follows from the bytes that are here."""

from __future__ import annotations

import pytest

from landsat_async.raster.grid import GridBox, UnsupportedRaster
from landsat_async.raster.range_plan import NotWorthIt, RangePlan, window_on
from landsat_async.raster.window import Origin, WindowMode, cut, layout_of
from landsat_async.rules.joins import SAMPLE_BYTES
from tests.support.rasters import KEY, NAME, ground_of
from tests.support.tiffs import SHORT
from tests.transfer.window_host import band_of

SHAPES = [{}, {"index_at_end": True}, {"framed": True}, {"big": True, "order": ">"}]


def layout(data):
    return layout_of(lambda size, at: data[at : at + size], len(data))


def reader_of(part):
    return lambda size, at: bytes(part[at : at + size])


def planned(data: bytes, box: GridBox, mode=WindowMode.PIXELS) -> RangePlan:
    ground = ground_of(layout(data), box)
    return RangePlan(len(data), lambda keys: ground, mode)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", WindowMode)
def test_a_part_of_ranges_gives_the_window_of_the_whole(shape, mode):
    data, box = band_of(**shape), GridBox(300, 200, 200, 150)
    plan, part = planned(data, box, mode), bytearray()
    asked = []
    while (want := plan.wanted()) is not None:
        asked.append(want)
        part += data[want[0] : want[1]]
        plan.follow(len(part), reader_of(part))
    assert plan.length == len(part) < len(data) / 3
    assert len(asked) == len(set(asked)) <= 6
    again = planned(data, box, mode)  # a later run, from the part alone
    again.follow(len(part), reader_of(part))
    assert again.wanted() is None
    origin = Origin(NAME, len(data), KEY)
    read = again.reader(reader_of(part))
    window = window_on(layout(data), lambda keys: ground_of(layout(data), box), mode)
    ours = b"".join(cut(again.layout, again.window, read, origin))
    assert ours == b"".join(cut(layout(data), window, lambda size, at: data[at : at + size], origin))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_part_that_ends_within_a_range_goes_on_with_that_range(share):
    data, box = band_of(), GridBox(300, 200, 200, 150)
    plan = planned(data, box)
    head = plan.wanted()
    plan.follow(head[1], lambda size, at: data[at : at + size])
    first = plan.wanted()
    length = head[1] + int(share * (first[1] - first[0]))
    plan.follow(length, lambda size, at: data[at : at + size])
    assert plan.wanted() == first
    assert plan.length == head[1] < length


def test_an_area_outside_takes_no_tiles():
    data = band_of()
    plan = planned(data, GridBox(5000, 5000, 10, 10))
    plan.follow(len(data), lambda size, at: data[at : at + size])
    assert plan.wanted() is None
    assert plan.window.tiles is None
    beyond = RangePlan(len(data), lambda keys: None, WindowMode.PIXELS)
    beyond.follow(len(data), lambda size, at: data[at : at + size])
    assert beyond.window.tiles is None


def test_what_the_whole_file_serves_better_is_said():
    data = band_of()
    plan = planned(data, GridBox(0, 0, 1050, 1000))
    with pytest.raises(NotWorthIt, match="most of it"):
        plan.follow(len(data), lambda size, at: data[at : at + size])
    plain = band_of(changes=((259, (SHORT, (1,))),))
    plan = planned(plain, GridBox(0, 0, 10, 10))
    with pytest.raises(NotWorthIt, match="no checksums"):
        plan.follow(len(plain), lambda size, at: plain[at : at + size])


def test_a_file_that_no_window_can_be_cut_from_is_named():
    data = band_of(changes=((277, (SHORT, (3,))),))
    plan = RangePlan(len(data), lambda keys: None, WindowMode.PIXELS)
    with pytest.raises(UnsupportedRaster):
        plan.follow(len(data), lambda size, at: data[at : at + size])


def test_bytes_that_were_not_asked_for_are_not_read():
    data = band_of()
    plan = planned(data, GridBox(300, 200, 20, 15))
    plan.follow(len(data), lambda size, at: data[at : at + size])
    with pytest.raises(KeyError):
        plan.reader(lambda size, at: b"")(10, len(data) - 10)


def followed(data, box, **how):
    """Return a plan all of whose ranges are here, and where each begins in the part."""
    ground = ground_of(layout(data), box)
    plan, part, starts = RangePlan(len(data), lambda keys: ground, WindowMode.PIXELS, **how), bytearray(), []
    while (want := plan.wanted()) is not None:
        starts.append(len(part))
        part += data[want[0] : want[1]]
        plan.follow(len(part), reader_of(part))
    return plan, starts


def compared(plan, *args):
    return [(one.start, one.end) for one in plan.to_compare(*args)]


BOX = GridBox(300, 200, 200, 150)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tiles_that_deflate_made_shorter_are_tied_by_the_index_alone(shape):
    plan, starts = followed(band_of(**shape), BOX)
    assert plan.to_compare(starts[-1]) == []


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("how", [{}, {"level": 0}])
def test_where_little_ties_the_ranges_the_index_is_compared_and_not_what_came_last(shape, how):
    data = band_of(**shape, **how)
    plan, starts = followed(data, BOX, weakly=not how)
    order, at = "little" if shape.get("order") != ">" else "big", slice(8, 16) if shape.get("big") else slice(4, 8)
    directory = int.from_bytes(data[at], order)
    found = compared(plan, starts[-1])
    (index,) = [(start, end) for start, end in found if start <= directory < end]
    samples = [(start, end) for start, end in found if (start, end) != index]
    assert [end - start for start, end in samples] == ([SAMPLE_BYTES] if how else [])  # the other one came last
    assert plan.to_compare(0) == []


@pytest.mark.faults("X154")
def test_X154_of_each_range_what_came_first_is_compared():
    data = band_of(level=0)
    index = layout(data)
    plan, starts = followed(data, BOX)
    sample = compared(plan, starts[-1])[-1]
    assert sample[1] == index.offsets[9 + 2] + index.counts[9 + 2]  # the uppermost tile to the left


@pytest.mark.faults("X155")
def test_X155_an_index_that_a_range_of_tiles_brings_once_more_is_compared_where_it_was_read():
    """Of a file that was written to once more: a tile that did not fit any more stands behind the index."""
    data = band_of(index_at_end=True, level=0)
    offsets, size = layout(data).offsets, int(layout(data).counts[70])
    at = data.index(offsets.astype("<u4").tobytes())
    moved = data[offsets[70] : offsets[70] + size]
    offsets[70] = len(data)
    data = data[:at] + offsets.astype("<u4").tobytes() + data[at + 4 * len(offsets) :] + moved
    plan, starts = followed(data, GridBox(900, 990, 140, 5))
    assert len(starts) == 3, "the header, the index, and one range for both tiles, with the index between them"
    (held,) = [one for one in plan.to_compare(starts[-1]) if one.start <= at < one.end]
    assert starts[1] <= held.at < starts[2]


def test_tiles_that_are_as_long_in_any_version_come_by_ranges_only_with_a_strong_validator():
    with pytest.raises(NotWorthIt, match="any version"):
        followed(band_of(level=0), BOX, weakly=True)
    followed(band_of(level=0), GridBox(5000, 5000, 10, 10), weakly=True)  # where there is nothing, nothing is mixed


@pytest.mark.parametrize(("gap", "answers"), [(100, 1), (15_500, 2), (60_000, 2)])
def test_an_index_that_came_in_several_answers_is_compared_unless_the_last_has_brought_all_of_it(gap, answers):
    data = band_of(gap=gap)
    plan, starts = followed(data, BOX)
    assert len(starts) == answers + 2
    found = compared(plan, starts[-1])
    assert found == ([(8, 688)] if gap == 60_000 else [])  # the arrays; the directory came last
    assert compared(plan, starts[-1], 100) == [(100, 688)][: len(found)]
    assert plan.to_compare(starts[-1], compared=688) == []
