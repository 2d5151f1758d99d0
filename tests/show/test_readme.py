"""The README holds what the program does: keys, commands, codes, errors, lines, examples."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import tomllib
import typing
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from landsat_async import config_tables as config_module
from landsat_async import errors, events
from landsat_async.config import Config
from landsat_async.rules.lifecycle import State
from landsat_async.show.jsonlines import _NAMES
from landsat_async.sim.server import open_simulator

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()
DOCS = {page.stem: page.read_text() for page in sorted((PROJECT / "docs").glob("*.md"))}
ERRORS = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.LandsatError)]


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def section(page, title):
    return DOCS[page].split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(text):
    """Return the words in backticks of the first column of the tables in `text`."""
    return {
        word
        for line in text.splitlines()
        if line.startswith("| `")
        for word in re.findall(r"`([^`]+)`", line.split("|")[1])
    }


def test_the_configuration_chapter_names_every_key_and_loads(tmp_path):
    text = blocks("toml", DOCS["configuration"])[0]
    (tmp_path / "config.toml").write_text(text)
    Config.load(tmp_path / "config.toml", environ={})
    tables = tomllib.loads(
        re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)
    )  # also what cannot stand beside others
    written = {f"{table}.{key}" for table, keys in tables.items() for key in keys}
    assert written == {f"{table}.{key}" for table, keys in config_module.READERS.items() for key in keys}


def test_every_command_has_its_row():
    from landsat_async.show.command_line import COMMANDS

    commands = {name for name, command in COMMANDS.items() if not command.hidden}
    assert {cell.split()[0] for cell in first_cells(section("commands", "Commands"))} == commands


def test_every_exit_code_has_its_row():
    raised = {
        cls.exit_code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.LandsatError)
    }
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", section("commands", "Exit codes and errors"), re.M)}
    assert raised <= told
    assert told == {0, 1, 2, 3, 4, 6, 7, 8, 9, 130}


def references_in_code():
    """Return every error reference that the code can show."""
    found = {cls.default_reference for cls in ERRORS}
    for path in (PROJECT / "landsat_async").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.keyword(arg="reference", value=ast.Constant(value=str(word))):
                    found.add(word)
                case ast.Assign(targets=[ast.Name(id="default_reference")], value=ast.Constant(value=str(word))):
                    found.add(word)
                case ast.Call(func=ast.Name(id="Error"), args=[ast.Constant(value=str(word)), *_]):
                    found.add(word)
    return found


def test_every_error_reference_is_explained_and_none_is_invented():
    explained = {
        cell for cell in first_cells(section("commands", "Exit codes and errors")) if re.fullmatch(r"[a-z0-9-]+", cell)
    }
    assert explained == references_in_code()


def test_every_json_line_has_its_row_with_its_keys():
    text = section("commands", "JSON lines")
    for kind in (events.Planned, events.Requested, events.Verified, events.Failed, events.Finished, events.Retrying):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{kind.__name__.lower()}`")]
        keys = re.findall(r"`([a-z0-9_]+)`", row.split("|")[2])
        assert keys == [field.name for field in dataclasses.fields(kind)]
    lines = {_NAMES.get(kind, kind.__name__.lower()) for kind in typing.get_args(events.Event)}
    assert first_cells(text) == lines - {"notice", "searching", "transferred"}


def test_the_states_of_a_file_are_all_named():
    assert all(f"{state}" in section("architecture", "How it works") for state in State)


def test_where_is_what_names_files_that_exist():
    for line in section("architecture", "Where is what").splitlines():
        for name in re.findall(r"`([a-z0-9_/]+)`", line) if line.startswith("|") else ():
            path = PROJECT / "landsat_async" / name
            assert path.is_dir() or path.with_suffix(".py").exists(), name


def test_two_commands_do_all_the_set_up_and_the_checks_run_the_same_tests():
    one, two = [text.strip() for text in blocks("sh") if text.startswith("python3 -m venv")]
    assert one.startswith("python3 -m venv ")
    assert one.endswith("-m landsat_async demo")
    command = "python -m pytest -n 2"
    assert two.endswith(f"/bin/{command}")
    assert "\n" not in one + two
    assert f"/bin/{command}" in (PROJECT / ".ci/run").read_text()


def test_the_examples_compile():
    python = [text for page in (README, *DOCS.values()) for text in blocks("python", page) + blocks("py", page)]
    assert len(python) >= 4
    for text in python:
        compile(text, "an example", "exec")


def test_the_readme_is_read_in_a_minute():
    assert len(README.split()) <= 600


@pytest.mark.faults("L07")
async def test_the_web_service_of_the_readme_streams_a_whole_run(tmp_path, monkeypatch):
    (text,) = [text for text in blocks("python", DOCS["python"]) if text.startswith("# web_service.py")]
    namespace = {"__name__": "web_service"}
    exec(compile(text, "docs/python.md", "exec"), namespace)
    async with (
        open_simulator() as sim,
        TestServer(namespace["app"]) as server,
        aiohttp.ClientSession(str(server.make_url("/"))) as client,
    ):
        monkeypatch.setenv("USGS_USERNAME", sim.username)
        monkeypatch.setenv("USGS_TOKEN", sim.token)
        job = {
            "service": {"url": sim.service_url, "patience_s": 0},
            "search": {"dataset": "landsat_ot_c2_l2", "scenes": ["LC80040532024187LGN00"]},
            "select": {"type": "band", "bands": ["SR_B3"]},
            "download": {"directory": str(tmp_path), "min_free_bytes": 0, "poll_interval_s": 0.05},
        }
        async with client.post("/download", json=job) as reply:
            lines = [json.loads(line) async for line in reply.content]
        assert lines[-1]["event"] == "finished"
        assert (lines[-1]["files_verified"], lines[-1]["exit_code"]) == (1, 0)
        assert len([*tmp_path.glob("*_SR_B3.TIF")]) == 1
        async with client.post("/download", json={"search": {"datasets": "x"}}) as reply:
            assert reply.status == 400
            assert "search.dataset" in (await reply.json())["problems"][0]
