"""Stores of other people, where they are here; in volume: `benchmarks.stores`."""

from __future__ import annotations

import pytest

from benchmarks.store_servers import find_program, serving
from landsat_async.config_store import StoreConfig
from landsat_async.errors import FolderUnwritable
from landsat_async.rules.store_url import StoreUrl
from landsat_async.store.target import StoreTarget
from tests.store.test_target import claimed, commit

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["rclone", "azurite"])
def test_what_a_foreign_store_promises_is_found_out_and_kept_to(name, tmp_path, monkeypatch):
    program = find_program(name, None)
    if program is None:
        pytest.skip(f"{name} is not here")
    (tmp_path / "server").mkdir()
    with serving(name, program, tmp_path / "server") as store:
        for variable, value in store.environ.items():
            monkeypatch.setenv(variable, value)

        def target(folder, *, strict):
            url, config = StoreUrl(store.scheme, "lake", "p"), StoreConfig(endpoint=store.endpoint, strict=strict)
            return StoreTarget(url, config, spool=tmp_path / folder / "spool", state_dir=tmp_path / folder / "state")

        if store.keeps_conditions:
            target("a", strict=True).prepare().release()
        else:
            with pytest.raises(FolderUnwritable, match="may replace what is there"):
                target("a", strict=True).prepare()
        store.holds.put("p/x.TIF", b"of a stranger")
        with claimed(target("b", strict=False)) as ours:
            before = store.holds.sums("p/x.TIF")
            commit(ours, "x.TIF", b"ours")
            assert store.holds.sums("p/x.TIF") == before
            with ours.read("x.TIF") as file:
                assert file.read(8, 5) == b"stranger"
