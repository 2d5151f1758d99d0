"""Mistakes on the command line are answered with what is meant; every command has its page."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from landsat_async.show.cli import main
from landsat_async.show.command_line import COMMANDS, UsageError, command_parser, parse
from landsat_async.show.command_options import config_of
from landsat_async.show.help_pages import command_page, exit_codes_page, main_page, start_page

PROJECT = Path(__file__).parents[2]


@pytest.mark.faults("P01")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("stauts", "there is no command stauts; did you mean status?"),
        ("rum", "did you mean run?"),
        ("download", "did you mean run?"),
        ("xyzzy", "there is no command xyzzy; known are"),
        ("config.toml", "the command is missing before config.toml"),
        ("--json run c.toml", "options stand behind the command: landsat-async run --json"),
        ("run --worker 3 c.toml", "run has no option --worker; did you mean --workers?"),
        ("run --worker=3 c.toml", "did you mean --workers?"),
        ("run c.toml --dry-run", "did you mean the command plan?"),
        ("run c.toml --output-dir x", "did you mean --directory?"),
        ("run c.toml --js", "run has no option --js"),
        ("run c.toml -x", "run has no option -x"),
        ("plan --workers 3", "plan has no option --workers"),
        ("run c.toml d.toml", "run does not know what to do with d.toml"),
        ("run --set", "expected one argument"),
        ("login s3cret-t0ken", "login takes no arguments: it asks, or reads the token from stdin"),
        ("login --token=s3cret-t0ken", "login has no option --token"),
        ("run --workers x", "is not a whole number"),
        ("simulate --port 70000", "must be from 0 to 65533"),
    ],
)
def test_P01_a_mistake_is_answered_with_what_is_meant(line, said, capsys):
    assert main(line.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err.splitlines()[0]
    assert len(told.err.splitlines()) <= 4
    assert all(len(text) <= 72 for text in told.err.splitlines()[1:] if "--help" in text or "usage:" in text)
    assert "landsat-async" in told.err
    assert "s3cret" not in told.err


@pytest.mark.faults("P01")
def test_P01_no_command_is_guessed_that_is_not_there():
    for word in ("find", "list", "update", "map"):
        with pytest.raises(UsageError) as refused:
            parse([word])
        if "did you mean" in str(refused.value):
            assert str(refused.value).split("did you mean ")[1].split("?")[0] in COMMANDS


@pytest.mark.faults("P02")
def test_P02_without_arguments_there_is_a_start_page_on_stdout(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "landsat-async demo" in told.out
    assert "next: " in told.out


@pytest.mark.parametrize("width", [40, 80, 100])
def test_the_pages_fit_their_width(width):
    pages = {"": main_page(COMMANDS.values(), width), "codes": exit_codes_page(width)}
    pages |= {f"start {a} {b}": start_page(width, config_here=a, logged_in=b) for a in (0, 1) for b in (0, 1)}
    pages |= {name: command_page(command, width) for name, command in COMMANDS.items()}
    for name, page in pages.items():
        for line in page.splitlines():
            assert len(line) <= width or line.lstrip().startswith(("landsat-async", "--")) or "http" in line, (
                name,
                line,
            )


@pytest.mark.faults("Y81")
def test_Y81_the_purpose_of_an_example_can_be_pasted_with_it():
    for name, one in COMMANDS.items():
        lines = command_page(one, 40).splitlines()
        examples = lines[lines.index("Examples:") + 1 :] if one.examples else []
        for line in examples[: examples.index("") if "" in examples else 0]:
            assert line.startswith(("  # ", "  landsat-async ", "      --")), (name, line)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_three_examples_that_parse(name):
    command = COMMANDS[name]
    if command.hidden:
        return
    assert 3 <= len(command.examples) <= 5
    assert command.text[0].islower()
    for line, purpose in command.examples:
        assert purpose[0].islower()
        first = re.split(r" (?:\||>|<|&&|\|\|) ", line)[0]
        assert parse(shlex.split(first)).command is command


@pytest.mark.faults("P03")
@pytest.mark.parametrize("name", COMMANDS)
def test_P03_commands_that_read_a_config_share_their_options_and_the_rule_for_the_file(name):
    command = COMMANDS[name]
    if not command.service:
        return
    known = command_parser(command)._option_string_actions
    assert {"--json", "-q", "--quiet", "-v", "--verbose", "--no-progress", "--directory", "--set"} <= set(known)
    if command.config:
        assert config_of(parse([name])) == "config.toml"
        assert config_of(parse([name, "lake.toml"])) == "lake.toml"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_two_options_of_a_command_share_a_name(name):
    command_parser(COMMANDS[name])


def test_help_shows_pages(capsys):
    assert main(["help"]) == 0
    everything = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == everything
    assert main(["help", "exit-codes"]) == 0
    assert "130" in capsys.readouterr().out
    assert main(["help", "run"]) == 0
    assert "--workers" in capsys.readouterr().out
    assert main(["help", "rnu"]) == 2
    assert "did you mean run?" in capsys.readouterr().err


@pytest.mark.faults("P01")
def test_P01_a_config_that_is_not_there_is_guessed_from_its_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lake.toml").write_text("")
    (tmp_path / "lake.geojson").write_text("")
    assert main(["plan", "lakes.toml"]) == 2
    assert "did you mean lake.toml?" in capsys.readouterr().err
    assert main(["plan", "zzz.toml"]) == 2
    assert "did you mean" not in capsys.readouterr().err


def test_a_reader_that_is_gone_is_no_fault_of_the_pages():
    command = f'"{sys.executable}" -m landsat_async help run | head -1 >/dev/null; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.faults("X151")
def test_X151_a_mistake_is_answered_in_lines_that_the_terminal_does_not_cut(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", seen := Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["login", "--token=x"]) == 2
    assert max(map(len, seen.getvalue().splitlines())) <= 60
    assert "login` asks" in " ".join(seen.getvalue().split())
