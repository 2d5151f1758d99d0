"""Paths that the file system does not take are found before anything is asked for (fault catalogue, D10)."""

from __future__ import annotations

import os

import pytest

from landsat_async.disk.folder import OutputFolder
from landsat_async.errors import ConfigError, FolderUnwritable
from landsat_async.run import plan

LONG_WAITS = True
NAME = "LC08_L2SP_004053_20240705_20240714_02_T1"


def refused_by_the_file_system(path):
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno == 36  # ENAMETOOLONG; what is merely absent would be taken
    return False


@pytest.mark.faults("D10")
async def test_D10_a_name_that_is_too_long_ends_the_plan_and_the_run_before_a_request(opened):
    async with opened() as world:
        config = world.config(download={"layout": "{display_id}" * 7})
        assert refused_by_the_file_system(world.base / (NAME * 7))
        with pytest.raises(ConfigError, match="too long to be written: names may have 255 bytes") as caught:
            await plan.plan(config, credentials=world.credentials)
        assert caught.value.reference == "path-too-long"
        result = await world.run(config)
        assert result.summary.exit_code == 2
        assert result.error.reference == "path-too-long"
        assert not world.log.of("download-request")

        assert not refused_by_the_file_system(world.base / (NAME * 6))
        assert (await world.run(world.config(download={"layout": "{display_id}" * 6}))).summary.exit_code == 0


@pytest.mark.faults("D10")
async def test_D10_a_folder_in_which_no_ledger_can_be_opened_ends_the_run_before_a_login(opened):
    async with opened() as world:
        root = world.base / "data" / ("d" * 200 + "/") / ("e" * 200) / ("f" * 120)
        assert len(str(root)) > 512
        config = world.config(root=root)
        for ask in (world.run(config), plan.plan(config, credentials=world.credentials)):
            with pytest.raises(FolderUnwritable, match="is too long"):
                await ask
        assert not world.log.entries
        assert not world.root.exists()


@pytest.mark.faults("D10")
def test_D10_each_name_of_a_path_is_measured_in_bytes(tmp_path):
    folder, wide, long = OutputFolder(tmp_path), "é" * 130, "e" * 200  # 260 bytes in fewer characters than 200
    assert refused_by_the_file_system(tmp_path / wide)
    assert not refused_by_the_file_system(tmp_path / long)
    folder.check_names([f"{long}/a.TIF", f"{'é' * 127}/a.TIF"])
    for relpath in (f"{long}/{wide}/a.TIF", f"{wide}/{long}/a.TIF"):
        with pytest.raises(ConfigError, match="names may have 255 bytes"):
            folder.check_names([relpath])
