"""What users get is a dataclass for them, although it is made in C."""

import copy
import dataclasses
import importlib
import pickle
import pkgutil
import subprocess
import sys
import typing
from contextlib import suppress

import msgspec
import pytest

import landsat_async
from landsat_async import Event, Planned, Route, Scene, Transferred, VerifiedFile, WantedFile
from landsat_async.m2m import replies
from landsat_async.m2m.caller import ApiWait
from landsat_async.value import Value
from tests.test_layers import PROJECT

PLANNED = Planned(scenes=1, files=3, bytes_nominal=100)
FILE = WantedFile("a.tar", "LC8", "LC08", "bundle", (Route("LC8", "5e", "dds"),))


def test_dataclasses_takes_a_value_as_its_own():
    assert dataclasses.is_dataclass(PLANNED)
    assert dataclasses.is_dataclass(Planned)
    assert dataclasses.asdict(PLANNED) == {"scenes": 1, "files": 3, "bytes_nominal": 100, "bytes_whole": None}
    assert dataclasses.astuple(PLANNED) == (1, 3, 100, None)
    assert dataclasses.replace(PLANNED, files=4) == Planned(1, 4, 100)
    assert dataclasses.asdict(FILE)["routes"] == (dataclasses.asdict(FILE.routes[0]),)


def test_its_fields_have_names_types_and_defaults():
    fields = {field.name: field for field in dataclasses.fields(Planned)}
    assert list(fields) == ["scenes", "files", "bytes_nominal", "bytes_whole"]
    assert fields["bytes_whole"].type == int | None
    assert fields["bytes_whole"].default is None
    assert fields["files"].default is dataclasses.MISSING


def test_it_is_frozen_equal_hashable_copied_pickled_and_matched():
    with pytest.raises(AttributeError):
        PLANNED.files = 4
    assert Planned(1, 3, 100) == PLANNED != Planned(1, 3, 101)
    assert hash(Planned(1, 3, 100)) == hash(PLANNED)
    assert repr(PLANNED) == "Planned(scenes=1, files=3, bytes_nominal=100, bytes_whole=None)"
    assert copy.deepcopy(FILE) == pickle.loads(pickle.dumps(FILE)) == FILE
    match PLANNED:
        case Planned(scenes, files):
            assert (scenes, files) == (1, 3)


ANSWERS = (replies.Dataset, replies.DatasetFilter, replies.DownloadReply, replies.GridCell, replies.ScenePage, ApiWait)


@pytest.mark.parametrize("kind", [*typing.get_args(Event), Scene, VerifiedFile, WantedFile, *ANSWERS])
def test_all_events_nouns_and_answers_are_values(kind):
    assert issubclass(kind, Value)
    assert [field.name for field in dataclasses.fields(kind)] == list(kind.__struct_fields__)


class Mine(Planned, frozen=True, kw_only=True):
    """A value of a user: more than ours."""

    place: str
    tags: list[str] = msgspec.field(default_factory=list)


def test_a_class_of_a_user_has_the_fields_of_ours_and_its_own():
    mine = Mine(1, 3, 100, place="here")
    assert dataclasses.asdict(mine) == dataclasses.asdict(PLANNED) | {"place": "here", "tags": []}
    assert dataclasses.replace(mine, files=4) == Mine(1, 4, 100, place="here")
    fields = {field.name: field for field in dataclasses.fields(Mine)}
    assert (fields["place"].kw_only, fields["tags"].default_factory) == (True, list)
    assert pickle.loads(pickle.dumps(mine)) == mine != PLANNED


@pytest.mark.parametrize("kind", [Planned, Scene, Mine])
def test_who_looks_for_the_fields_of_a_dataclass_in_the_class_itself_finds_them(kind):
    """As orjson does."""
    assert "__dataclass_fields__" in vars(kind)
    assert list(kind.__dataclass_fields__) == list(kind.__struct_fields__)


def test_values_of_two_kinds_are_never_equal():
    assert Transferred("a", 1, None) != Planned("a", 1, None)


def test_few_classes_of_a_run_are_made_by_dataclass():
    """Each takes half a millisecond of the start: 200 of them took a tenth of a second, and 3 are left."""
    code = """
import sys, landsat_async.show.run_command, landsat_async.run.opening
ours = [module for name, module in sys.modules.items() if name.startswith("landsat_async")]
kinds = {kind for module in ours for kind in vars(module).values() if isinstance(kind, type)}
print(*sorted(kind.__name__ for kind in kinds if "__dataclass_params__" in vars(kind)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert "RunSummary" in done.stdout, done.stderr
    assert len(done.stdout.split()) <= 10, f"take Value or msgspec.Struct for some of {done.stdout}"


@pytest.mark.faults("X83")
def test_no_struct_of_the_program_has_a_field_of_dataclasses_for_a_default():
    def below(kind):
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    for module in pkgutil.walk_packages(landsat_async.__path__, "landsat_async."):
        if not module.name.endswith("__main__"):
            with suppress(ModuleNotFoundError):  # of an extra
                importlib.import_module(module.name)
    kinds = [kind for kind in below(msgspec.Struct) if kind.__module__.startswith("landsat_async.")]
    assert len(kinds) > 150
    wrong = [kind for kind in kinds for one in kind.__struct_defaults__ if isinstance(one, dataclasses.Field)]
    assert not wrong, "a factory of dataclasses means nothing to msgspec: the field itself would be the value"
    assert replies.DownloadReply().duplicates == {}
