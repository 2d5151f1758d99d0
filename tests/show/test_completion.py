from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.show.cli import main
from landsat_async.show.command_line import COMMANDS
from landsat_async.show.completion import EMPTY, SCRIPTS, offer, offer_lines
from landsat_async.show.completion_command import complete
from landsat_async.show.man_page import man_page

PROJECT = Path(__file__).parents[2]
KEYS = [("download.workers", "files at a time"), ("search.limit", "")]


def words(line):
    return [word for word, _ in offer(line, COMMANDS, lambda: KEYS).candidates]


@pytest.mark.parametrize(
    ("line", "wanted", "files"),
    [
        ([""], ["run", "plan", "login", "--help"], ""),
        ([EMPTY], ["run", "plan"], ""),
        ([], ["run"], ""),
        (["ru"], ["run"], ""),
        (["run", "--w"], ["--workers"], ""),
        (["run", "--directory", ""], [], "folder"),
        (["run", "--directory=x"], [], "folder"),
        (["run", "--workers", ""], [], ""),
        (["run", ""], [], "file"),
        (["run", "--workers", "3", ""], [], "file"),
        (["run", "--overwrite", ""], [], "file"),
        (["run", "c.toml", ""], [], ""),
        (["plan", "--output", ""], [], "file"),
        (["run", "--scenes", ""], [], "file"),
        (["run", "--set", "down"], ["download.workers="], ""),
        (["run", "--set", "download.workers=3"], [], ""),
        (["init", "--example", "w"], ["weekly"], ""),
        (["init", "--example=w"], ["--example=weekly"], ""),
        (["completion", "z"], ["zsh"], ""),
        (["help", "exit"], ["exit-codes"], ""),
        (["nothing", ""], [], ""),
    ],
)
def test_what_is_offered(line, wanted, files):
    found = offer(line, COMMANDS, lambda: KEYS)
    assert set(wanted) <= {word for word, _ in found.candidates}
    assert found.files == files
    assert bool(found.candidates) is bool(wanted)


@given(
    st.lists(
        st.sampled_from([*COMMANDS, "--set", "--help", "-q", "--workers=", "x", "", ":"]) | st.text(max_size=5),
        max_size=4,
    )
)
def test_any_line_gets_an_offer_that_scripts_can_read(line):
    found = offer_lines(offer(line, COMMANDS, lambda: KEYS))
    assert found[-1] in (":none", ":file", ":folder")
    assert all(text.count("\t") == 1 and "\n" not in text for text in found[:-1])


def test_the_program_answers_the_scripts_and_knows_the_keys_of_the_config(capsys):
    assert main(["__complete", "run", "--set", "search.sc"]) == 0
    assert "search.scenes=\t" in capsys.readouterr().out
    assert "download.max_rate=" in complete(["run", "--set", ""], COMMANDS)
    assert main(["__complete", "--", "--nonsense", "'"]) == 0
    assert "__complete" not in COMMANDS


@pytest.fixture
def program(tmp_path):
    """A folder for PATH that holds landsat-async."""
    program = tmp_path / "bin" / "landsat-async"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m landsat_async "$@"\n')
    program.chmod(0o755)
    (tmp_path / "lake.toml").write_text("")
    return {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT), "HOME": str(tmp_path)}


def shell(*command, env, cwd):
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("shell_name", SCRIPTS)
def test_a_script_comes_as_it_is(shell_name, capsys):
    assert main(["completion", shell_name]) == 0
    assert capsys.readouterr().out == SCRIPTS[shell_name]


@pytest.mark.parametrize(
    ("line", "wanted"), [("sta", "status"), ("run --wor", "--workers"), ("init --example we", "weekly")]
)
def test_bash_completes(program, tmp_path, line, wanted):
    bash = shutil.which("bash") or pytest.skip("no bash here")
    (tmp_path / "completion").write_text(SCRIPTS["bash"])
    count = len(line.split())
    script = (
        f"source completion; COMP_WORDS=(landsat-async {line}); COMP_CWORD={count};"
        'compopt() { :; }; _landsat_async; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert wanted in shell(bash, "-c", script, env=program, cwd=tmp_path)


@pytest.mark.parametrize(("line", "wanted"), [("sta", "status"), ("run ", "lake.toml")])
def test_fish_completes(program, tmp_path, line, wanted):
    fish = shutil.which("fish") or pytest.skip("no fish here")
    (tmp_path / "completion").write_text(SCRIPTS["fish"])
    script = f'source completion; complete -C "landsat-async {line}"'
    assert wanted in shell(fish, "--no-config", "-c", script, env=program, cwd=tmp_path)


def test_zsh_reads_its_script(tmp_path):
    zsh = shutil.which("zsh") or pytest.skip("no zsh here")
    (tmp_path / "_landsat_async").write_text(SCRIPTS["zsh"])
    shell(zsh, "-f", "-n", "_landsat_async", env=dict(os.environ), cwd=tmp_path)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("sta", "status"), ("run --wor", "--workers"), ("init --example we", "weekly"), ("run ", "FILES")],
)
def test_zsh_completes(program, tmp_path, line, wanted):
    """The functions of zsh's own completion stand for themselves: what reaches them is looked at."""
    zsh = shutil.which("zsh") or pytest.skip("no zsh here")
    (tmp_path / "completion").write_text(SCRIPTS["zsh"])
    words = " ".join(f"'{word}'" for word in line.split(" "))
    script = (
        "compdef() { : }; _describe() { print -rl -- ${${(@P)2}%%:*} }; _files() { print FILES }; "
        f"source ./completion; words=(landsat-async {words}); CURRENT=$#words; _landsat_async"
    )
    assert wanted in shell(zsh, "-f", "-c", script, env=program, cwd=tmp_path)


def test_the_manual_page_has_every_command_and_roff_takes_it(tmp_path):
    page = man_page(COMMANDS.values())
    for name, command in COMMANDS.items():
        assert command.hidden or f'.SS "{name}"' in page
    groff = shutil.which("groff")
    if groff is not None:
        done = subprocess.run([groff, "-man", "-Tascii", "-ww"], input=page, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert "interrupted twice" in done.stdout
