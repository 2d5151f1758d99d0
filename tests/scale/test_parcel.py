"""What crosses the wire shows no link, and what another version made is told from what is ours."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from landsat_async import Config, ConfigError
from landsat_async.rules.links import SecretUrl
from landsat_async.scale import parcel as module
from landsat_async.scale.parcel import Contents, FetchEnded, Parcel, Setup
from landsat_async.scale.seal import RunKey, SealBroken
from landsat_async.transfer.types import NeedsLink, TransferJob

CANARY = "https://host.example/canary-link?signature=do-not-show"
SETUP = Setup("run", "/data", 0o644, "https://m2m.example/", ("*.example",), None, 4)

CONTENTS = Contents(SETUP, TransferJob(SecretUrl(CANARY), "A.TIF", "1.1.part", "A.TIF"), 5.0)


pytest.importorskip("cryptography", reason="the extra dask is not installed")
KEY = RunKey.new()


def parcel() -> Parcel:
    return Parcel.of(CONTENTS, KEY)


@pytest.mark.faults("X60")
def test_a_parcel_shows_its_link_neither_in_words_nor_in_its_bytes():
    one = parcel()
    assert "canary" not in f"{one!r} {one!s} {[one]}"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        packed = pickle.dumps(one, protocol)
        assert b"canary" not in packed
        assert b"signature" not in packed
        assert pickle.loads(packed).open(KEY) == CONTENTS
    assert parcel().sealed != one.sealed


@pytest.mark.faults("W50")
@pytest.mark.parametrize(
    "changed",
    [
        lambda one: (one, RunKey.new()),
        lambda one: (replace(one, part_name="2.1.part"), KEY),
        lambda one: (replace(one, sealed=one.sealed[:-1] + bytes([one.sealed[-1] ^ 1])), KEY),
        lambda one: (replace(one, sealed=b"short"), KEY),
    ],
    ids=["key of another run", "another file", "a bit", "cut"],
)
def test_what_is_in_a_parcel_is_not_believed_unless_its_run_has_sealed_it(changed):
    one, key = changed(parcel())
    with pytest.raises(SealBroken) as told:
        one.open(key)
    assert "canary" not in repr(told.value)


def test_a_parcel_of_another_version_is_known_before_it_is_opened():
    found = pickle.loads(pickle.dumps(replace(parcel(), made_by="0.0.9/0")))
    assert found.made_by == "0.0.9/0" != module.version()
    assert repr(found) == "<Parcel 1.1.part>"


def test_replies_travel():
    reply = FetchEnded(NeedsLink("refused", 5, expired=True), None)
    assert pickle.loads(pickle.dumps(reply)) == reply


def test_nothing_of_dask_is_imported_before_a_cluster_is_used():
    code = (
        "import sys, landsat_async, landsat_async.scale, landsat_async.run.opening; print('distributed' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    for path in Path(module.__file__).parent.glob("*.py"):
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not any("distributed" in ast.unparse(node) for node in top), path


def config(**tables: dict[str, object]) -> Config:
    search = {"dataset": "landsat_ot_c2_l2", "limit": 1}
    return Config.from_dict({"search": search, "scale": {"scheduler": "tls://host:8786"}, **tables}, base_dir="/")


@pytest.mark.parametrize(
    ("tables", "word"),
    [
        ({"download": {"directory": "s3://bucket/x"}}, "a folder that all its machines see"),
        ({"download": {"max_rate": "1 MB"}}, "download.max_rate"),
        ({"scale": {"scheduler": "host"}}, "tls://host:8786"),
        ({"scale": {"scheduler": "tcp://user:word@host:1"}}, "tls://host:8786"),
        ({"scale": {"workers": 3}}, "scale.workers"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused_with_the_config(tables, word):
    with pytest.raises(ConfigError) as told:
        config(**tables)
    assert word in "; ".join(told.value.problems)


def test_a_scheduler_is_an_address():
    assert config().scale.scheduler == "tls://host:8786"
    assert config(scale={"scheduler": ""}, download={"max_rate": "1 MB"}).scale.scheduler == ""
