"""Files that the user names may be anything: nothing waits without an end, and nothing is read without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from landsat_async import Config, ConfigError, CredentialsError, user_files
from landsat_async.aoi_files import load_aoi
from landsat_async.config_tables import ServiceConfig
from landsat_async.credentials import netrc_path, resolve_credentials
from landsat_async.m2m.transport import tls_context
from landsat_async.user_commands import TooMuchOutput, program_of, run_with_threads
from landsat_async.user_files import Unreadable, read_user_file

PROJECT = Path(__file__).parents[1]
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
CONFIG = '[search]\ndataset = "landsat_ot_c2_l2"\n'


@pytest.fixture
def fifo(tmp_path):
    """A pipe with a name that nobody writes to."""
    os.mkfifo(tmp_path / "pipe")
    return str(tmp_path / "pipe")


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch):
    monkeypatch.setattr(user_files, "PIPE_LIMIT_S", 0.3)


def _reads_of(path):
    """Every way in which a path of the user is read."""
    return (
        (lambda: Config.load(path, environ={}), ConfigError),
        (lambda: load_aoi(path), ConfigError),
        (lambda: load_aoi(path + ".shp"), ConfigError),
        (lambda: resolve_credentials(ServiceConfig(credentials_file=path), {}), CredentialsError),
        (lambda: resolve_credentials(ServiceConfig(), {"NETRC": path}), CredentialsError),
        (lambda: tls_context(path), ConfigError),
    )


@pytest.mark.faults("L40")
@pytest.mark.parametrize("number", range(6))
def test_L40_a_pipe_that_nobody_writes_to_is_refused_and_not_waited_for(fifo, number):
    os.link(fifo, fifo + ".shp")
    read, error = _reads_of(fifo)[number]
    with pytest.raises(error, match="pipe"):
        read()


@pytest.mark.faults("L40")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/ptmx"])
def test_L40_a_device_is_refused(device):
    with pytest.raises(Unreadable, match="device"):
        read_user_file(device, 100)
    with pytest.raises(ConfigError, match="device"):
        tls_context(device)


@pytest.mark.faults("L40")
def test_L40_folders_sockets_and_missing_files_are_told_as_what_they_are(tmp_path):
    import socket

    with pytest.raises(FileNotFoundError):
        read_user_file(str(tmp_path / "none"), 100)
    with pytest.raises(Unreadable, match="Is a directory"):
        read_user_file(str(tmp_path), 100)
    with pytest.raises(Unreadable, match="not a path"):
        read_user_file("a\0b", 100)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(Unreadable, match="socket"):
            read_user_file(str(tmp_path / "s"), 100)


@pytest.mark.faults("L40")
@pytest.mark.parametrize("named", [True, False])
def test_L40_a_pipe_that_brings_something_is_read_to_its_end(fifo, named, tmp_path):
    """`run <(make-config)`, or credentials out of a password store."""
    if named:
        path, target = fifo, fifo
    else:
        read, write = os.pipe()
        path, target = f"/dev/fd/{read}", write

    def feed():
        with open(target, "w") as pipe:
            for piece in (CONFIG, "[download]\n", 'directory = "x"\n'):
                pipe.write(piece)
                pipe.flush()
                time.sleep(0.02)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        assert Config.load(path, environ={}).search.datasets == ("landsat_ot_c2_l2",)
    finally:
        feeder.join()
        if not named:
            os.close(read)


@pytest.mark.faults("L40")
def test_L40_a_pipe_that_never_ends_is_not_read_for_ever(fifo):
    stop = threading.Event()

    def feed():
        with open(fifo, "wb", buffering=0) as pipe:
            pipe.write(b"token:")
            stop.wait(10)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        with pytest.raises(Unreadable, match="did not come to an end within"):
            read_user_file(fifo, 100)
    finally:
        stop.set()
        feeder.join()


def test_no_more_is_read_than_asked_for(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 5000)
    assert len(read_user_file(str(tmp_path / "f"), 100)) == 101
    assert read_user_file(str(tmp_path / "f"), 10**9) == b"x" * 5000


def test_an_area_and_a_config_are_read_as_before(tmp_path):
    (tmp_path / "a.geojson").write_text(json.dumps(SQUARE))
    assert load_aoi(str(tmp_path / "a.geojson")).geometry is not None
    (tmp_path / "c.toml").write_text(CONFIG)
    assert Config.load(tmp_path / "c.toml", environ={}).search.datasets == ("landsat_ot_c2_l2",)


# -- the program that brings the token -------------------------------------------------------------------------------


def _token(*code):
    return resolve_credentials(
        ServiceConfig(username="ana", token_command=(sys.executable, "-c", *code)), {"PATH": os.environ["PATH"]}
    ).token


@pytest.mark.faults("L41")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_L41_a_token_command_that_prints_without_an_end_is_stopped(stream):
    with pytest.raises(CredentialsError, match="prints more than 64 KiB") as refused:
        _token(f"import sys\nwhile True: sys.{stream}.write('s3cret' * 1000)")
    assert "s3cret" not in str(refused.value)


@pytest.mark.faults("L41")
def test_L41_what_a_token_command_leaves_behind_is_not_waited_for(tmp_path):
    """As gpg starts its agent, which keeps the output open."""
    behind = tmp_path / "pid"
    code = (
        "import pathlib, subprocess; left = subprocess.Popen(['sleep', '90']);"
        f"pathlib.Path({str(behind)!r}).write_text(str(left.pid)); print('tok' * 5); print('more')"
    )
    assert _token(code) == "tok" * 5
    os.kill(int(behind.read_text()), signal.SIGTERM)  # it is still there


def test_a_token_command_that_hangs_or_fails_is_told(monkeypatch):
    monkeypatch.setattr("landsat_async.credentials.COMMAND_TIMEOUT_S", 0.3)
    with pytest.raises(CredentialsError, match="did not end within"):
        _token("import time; time.sleep(30)")
    monkeypatch.undo()
    with pytest.raises(CredentialsError, match=r"ended with status 3: no \*\*\* here"):
        _token("import sys; print('abcde'); print('no abcde here', file=sys.stderr); sys.exit(3)")


@pytest.mark.faults("W30")
@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("print('tok')", (0, b"tok")),
        ("import sys; print('no', file=sys.stderr); sys.exit(3)", (3, b"")),
        ("while True: print('x' * 999)", TooMuchOutput),
        ("import time; time.sleep(60)", TimeoutError),
        ("import subprocess, sys; print('tok', flush=True); subprocess.Popen(['sleep', '2'])", (0, b"tok")),
    ],
)
def test_W30_where_pipes_cannot_be_waited_for_a_thread_reads_each(code, ends):
    def run():
        return run_with_threads([sys.executable, "-c", code], os.environ, limit_s=2.0, most_bytes=1000)

    if isinstance(ends, tuple):
        ended = run()
        assert (ended.status, ended.out.strip()) == ends
    else:
        with pytest.raises(ends):
            run()


@pytest.mark.faults("W30")
def test_W30_a_token_command_is_looked_for_as_a_shell_does(tmp_path):
    script = tmp_path / ("pass.cmd" if sys.platform == "win32" else "pass")
    script.write_text("")
    script.chmod(0o700)
    assert program_of(["pass", "show"], {"PATH": str(tmp_path)}) == [str(script), "show"]
    assert program_of(["pass", "show"], {"Path": ""}) == ["pass", "show"]


# -- encodings -------------------------------------------------------------------------------------------------------


@pytest.mark.faults("W29")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom"])
def test_W29_files_may_be_written_as_powershell_and_notepad_do(tmp_path, encoding):
    def write(name, text):
        text = text.replace("\n", "\r\n")
        body = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
        (tmp_path / name).write_bytes(body)
        return str(tmp_path / name)

    found = resolve_credentials(ServiceConfig(credentials_file=write("cred.txt", "username:ana\ntoken:abc\n")), {})
    assert (found.username, found.token) == ("ana", "abc")
    old = write("old.txt", "app-token\nana\nabc\n")
    assert resolve_credentials(ServiceConfig(credentials_file=old), {}).token == "abc"
    assert Config.load(write("config.toml", CONFIG), environ={}).search.datasets == ("landsat_ot_c2_l2",)
    assert load_aoi(write("aoi.geojson", json.dumps(SQUARE))).geometry is not None


def test_what_is_no_text_is_told(tmp_path):
    (tmp_path / "cred.txt").write_bytes(b"token:\xff\xff")
    with pytest.raises(CredentialsError, match="no text in UTF-8 or UTF-16"):
        resolve_credentials(ServiceConfig(credentials_file=str(tmp_path / "cred.txt")), {})


@pytest.mark.faults("W29")
@pytest.mark.parametrize(
    ("files", "platform", "chosen"),
    [
        ((), "win32", ".netrc"), (("_netrc",), "win32", "_netrc"), ((".netrc", "_netrc"), "win32", ".netrc"),
        (("_netrc",), "linux", ".netrc"),
    ],
)  # fmt: skip
def test_W29_netrc_has_another_name_on_windows_too(tmp_path, files, platform, chosen):
    for name in files:
        (tmp_path / name).write_text("")
    assert netrc_path(str(tmp_path), platform) == str(tmp_path / chosen)


# -- paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.faults("L42")
@pytest.mark.parametrize("path", [" data", "data ", "data\t", "\u00a0data"])
def test_L42_a_blank_at_the_end_of_a_path_is_refused_and_not_cut_off(path):
    for overrides in ((f"download.directory={json.dumps(path)}",), (f"search.aoi={json.dumps(path)}",)):
        with pytest.raises(ConfigError, match=r"begins or ends with a blank|control character"):
            Config.load(None, overrides=("search.dataset=landsat_ot_c2_l2", *overrides), environ={})


STATUS = [sys.executable, "-m", "landsat_async", "status"]


@pytest.mark.faults("L43")
@pytest.mark.parametrize("way", ["file", "option"])
def test_L43_an_umlaut_in_the_output_folder_works_under_any_locale(tmp_path, way):
    config = tmp_path / "config.toml"
    directory = f'[download]\ndirectory = "{tmp_path}/dätä"\n' if way == "file" else ""
    service = '[service]\nurl = "http://127.0.0.1:9/"\npatience_s = 0\n'
    config.write_text(CONFIG + directory + service, encoding="utf-8")
    option = [] if way == "file" else ["--directory", f"{tmp_path}/dätä"]
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "landsat_async", "run", *option, str(config)]
    done = subprocess.run(
        [os.fsencode(word) for word in command],
        cwd=PROJECT,
        env=environment | {"USGS_USERNAME": "ana", "USGS_TOKEN": "t" * 30},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 6, done.stderr  # nobody listens there, and that is all
    assert (tmp_path / "dätä" / ".landsat_async" / "ledger.sqlite3").exists()


@pytest.mark.faults("L43")
def test_L43_a_folder_that_the_system_makes_for_nobody_is_exit_2(tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "landsat_async", "run", "--directory", "/proc/x/y", str(tmp_path / "config.toml")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "[folder-unwritable]" in done.stderr
    assert "/proc/x/y cannot be used" in done.stderr
