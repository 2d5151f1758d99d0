from __future__ import annotations

import pytest

from landsat_async.sim.fault_text import add_fault
from landsat_async.sim.script import Script


def test_faults_of_files_and_of_the_api_are_read_with_their_settings():
    script = Script()
    for text in ("cut", "file:cut,file=*_B3.TIF,times=3,fraction=0.25", "api:status,endpoint=scene-search,status=503"):
        add_fault(script, text)
    first, second = script.file_faults
    assert (first.kind, first.file, first.times) == ("cut", "*", 1)
    assert (second.file, second.times, second.fraction) == ("*_B3.TIF", 3, 0.25)
    (api,) = script.api_faults
    assert (api.kind, api.endpoint, api.status) == ("status", "scene-search", 503)
    add_fault(script, "api:slow,times=null,seconds=2")
    assert script.api_faults[1].times is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file:cutt", "did you mean file:cut?"),
        ("disk:full", "neither file nor api"),
        ("file:cut,times", "not a setting"),
        ("file:cut,colour=red", "no setting colour; it has times"),
        ("file:cut,times=-1", "times"),
        ("file:nothing-like-it", "there are status, html"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(ValueError, match=r".") as error:
        add_fault(Script(), text)
    assert said in str(error.value)
