import os
import stat
import sys

import pytest

from landsat_async.config_tables import ServiceConfig
from landsat_async.credentials import Credentials, resolve_credentials
from landsat_async.errors import CredentialsError

TOKEN = "T0k3n_CANARY_9f8e7d"


@pytest.fixture
def home(tmp_path):
    """An environment of its own, with an empty home folder."""
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def file(tmp_path, text, name="cred.txt", mode=0o600):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return str(path)


def resolve(env, **service):
    return resolve_credentials(ServiceConfig(**service), env)


def refused(env, **service):
    with pytest.raises(CredentialsError) as caught:
        resolve(env, **service)
    assert TOKEN not in str(caught.value) + caught.value.hint + repr(caught.value)
    return str(caught.value) + " | " + caught.value.hint


def both(credentials):
    return credentials.username, credentials.token


def test_the_token_is_masked_wherever_it_is_shown():
    credentials = Credentials("ana", TOKEN)
    assert TOKEN not in repr(credentials) + str(credentials) + f"{credentials}"
    assert "ana" in repr(credentials)


def test_the_variables_are_first(home, tmp_path):
    path = file(tmp_path, "username:bob\ntoken:other")
    env = {**home, "USGS_USERNAME": "ana", "USGS_TOKEN": TOKEN, "M2M_TOKEN": "third"}
    assert both(resolve(env, credentials_file=path)) == ("ana", TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        f"username:ana\ntoken:{TOKEN}\n",
        f"\ufeffUsername: ana \r\n\r\n# mine\r\nTOKEN : {TOKEN} \r\n",
        f"app-token\nana\n{TOKEN}\n",
        f"app-token\r\nana\r\n{TOKEN}",
    ],
)
def test_both_forms_of_the_credentials_file_are_read(home, tmp_path, text):
    found = resolve(home, credentials_file=file(tmp_path, text))
    assert both(found) == ("ana", TOKEN)
    assert found.notes == ()


def test_a_token_belongs_to_the_name_that_stands_beside_it_unless_the_config_says_otherwise(home, tmp_path):
    path = file(tmp_path, f"username:bob\ntoken:{TOKEN}")
    assert resolve({**home, "USGS_USERNAME": "ana"}, credentials_file=path).username == "bob"
    assert resolve(home, credentials_file=path, username="eva").username == "eva"


def test_the_name_may_come_from_another_place_than_the_token(home, tmp_path):
    path = file(tmp_path, "username:ana")
    assert both(resolve({**home, "USGS_TOKEN": TOKEN}, credentials_file=path)) == ("ana", TOKEN)
    assert both(resolve({**home, "M2M_TOKEN": TOKEN}, credentials_file=path)) == ("ana", TOKEN)
    path = file(tmp_path, f"token:{TOKEN}")
    assert both(resolve({**home, "USGS_USERNAME": "eva"}, credentials_file=path)) == ("eva", TOKEN)


def test_netrc_is_read_for_the_host_of_the_service_and_NETRC_names_another_one(home, tmp_path):
    file(tmp_path, f"machine m2m.cr.usgs.gov login ana password {TOKEN}", ".netrc")
    assert both(resolve(home)) == ("ana", TOKEN)
    other = file(tmp_path, f"machine 127.0.0.1 login eva password {TOKEN}", "other")
    assert both(resolve({**home, "NETRC": other}, url="http://127.0.0.1:8080/")) == ("eva", TOKEN)


def test_a_default_entry_of_netrc_is_meant_for_somebody_else(home, tmp_path):
    file(tmp_path, f"default login ana password {TOKEN}", ".netrc")
    assert "no machine m2m.cr.usgs.gov" in refused(home)


def test_a_broken_netrc_is_told_by_line_without_its_text(home, tmp_path):
    file(tmp_path, f"machine m2m.cr.usgs.gov login ana\n{TOKEN} password x", ".netrc")
    assert "line 2 is not in netrc form" in refused(home)


def test_the_m2m_variables_are_the_last_resort(home, tmp_path):
    env = {**home, "M2M_USERNAME": "eva", "M2M_TOKEN": "last"}
    assert both(resolve(env)) == ("eva", "last")
    path = file(tmp_path, f"username:ana\ntoken:{TOKEN}")
    assert both(resolve(env, credentials_file=path)) == ("ana", TOKEN)


def script(tmp_path, body):
    path = tmp_path / "ask.py"
    path.write_text(body)
    return (sys.executable, str(path))


def test_a_token_command_runs_without_a_shell_and_its_first_line_counts(home, tmp_path):
    command = script(tmp_path, f"import sys\nprint({TOKEN!r})\nprint('url: x')\nassert sys.stdin.read() == ''\n")
    marker = tmp_path / "shell"
    assert resolve(home, username="ana", token_command=(*command, f"; touch {marker}")).token == TOKEN
    assert not marker.exists()


def test_a_token_command_that_fails_is_told_without_its_output(home, tmp_path):
    body = f"import sys\nprint({TOKEN!r})\nsys.stderr.write('no key for {TOKEN}\\x1b[31m\\nmore')\nsys.exit(3)\n"
    said = refused(home, username="ana", token_command=script(tmp_path, body))
    assert "ended with status 3" in said
    assert "no key for ***" in said
    assert "\x1b" not in said
    assert "printed nothing" in refused(home, username="ana", token_command=script(tmp_path, ""))
    assert "could not be started" in refused(home, username="ana", token_command=("/no/such/program",))


@pytest.mark.faults("B11")
def test_B11_a_token_command_that_hangs_is_ended(home, tmp_path, monkeypatch):
    monkeypatch.setattr("landsat_async.credentials.COMMAND_TIMEOUT_S", 0.2)
    command = script(tmp_path, "import time\ntime.sleep(60)\n")
    assert "did not end within" in refused(home, username="ana", token_command=command)


def test_a_token_command_is_not_run_when_there_is_a_token(home, tmp_path):
    marker = tmp_path / "ran"
    command = script(tmp_path, f"open({str(marker)!r}, 'w')")
    resolve({**home, "USGS_TOKEN": TOKEN, "USGS_USERNAME": "ana"}, token_command=command)
    resolve({**home, "USGS_TOKEN": TOKEN, "M2M_USERNAME": "ana"}, token_command=command)
    assert not marker.exists()


@pytest.mark.faults("B11")
def test_B11_without_a_token_every_place_is_named_and_nobody_is_asked(home, tmp_path):
    said = refused(home, credentials_file=file(tmp_path, "username:ana"))
    for place in ("USGS_TOKEN", "no line `token:TOKEN`", "token_command", ".netrc: no such file", "M2M_TOKEN"):
        assert place in said
    assert "https://ers.cr.usgs.gov" in said
    assert "MACHINE" in said


def test_without_a_user_name_that_is_said(home):
    assert "no user name" in refused({**home, "USGS_TOKEN": TOKEN})


def test_variables_of_older_tools_are_not_read_but_named(home):
    said = refused({**home, "EROS_USERNAME": "ana", "LANDSATXPLORE_PASSWORD": TOKEN})
    assert "EROS_USERNAME, LANDSATXPLORE_PASSWORD" in said
    assert "passwords stopped working" in said


@pytest.mark.faults("B02")
def test_B02_a_password_in_the_credentials_file_is_answered_with_the_way_to_a_token(home, tmp_path):
    path = file(tmp_path, f"username:a\npassword:{TOKEN}")
    assert "passwords stopped working" in refused(home, credentials_file=path)


@pytest.mark.parametrize("body", [TOKEN, "", b"\xff\xfe\x00", f"password\nana\n{TOKEN}"])
def test_a_credentials_file_of_another_form_is_refused_without_repeating_it(home, tmp_path, body):
    assert "credentials file" in refused(home, credentials_file=file(tmp_path, body))


def test_a_configured_credentials_file_that_is_missing_is_said_and_nothing_else_is_tried(home, tmp_path):
    file(tmp_path, f"machine m2m.cr.usgs.gov login ana password {TOKEN}", ".netrc")
    assert "No such file" in refused(home, credentials_file=str(tmp_path / "none.txt"))


@pytest.mark.faults("B09")
@pytest.mark.parametrize("name", ["cred.txt", ".netrc"])
def test_B09_a_file_that_others_can_read_brings_a_note_with_the_cure(home, tmp_path, name):
    text = f"username:ana\ntoken:{TOKEN}" if name == "cred.txt" else f"machine m2m.cr.usgs.gov login a password {TOKEN}"
    path = file(tmp_path, text, name, mode=0o644)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    service = {"credentials_file": path} if name == "cred.txt" else {}
    (note,) = resolve(home, **service).notes
    assert f"chmod 600 {path}" in note
    os.chmod(path, 0o600)
    assert resolve(home, **service).notes == ()


@pytest.mark.faults("B09")
def test_B09_a_token_file_in_a_git_folder_brings_a_note(home, tmp_path):
    (tmp_path / ".git").mkdir()
    (note,) = resolve(home, credentials_file=file(tmp_path, f"username:ana\ntoken:{TOKEN}")).notes
    assert ".gitignore" in note


@pytest.mark.faults("B10", "K10")
def test_B10_blanks_and_line_ends_around_are_cut_off(home):
    env = {**home, "USGS_USERNAME": " ana\r\n", "USGS_TOKEN": f"\t{TOKEN}\r\n"}
    assert both(resolve(env)) == ("ana", TOKEN)
    assert both(Credentials(" ana\n", TOKEN + "\r\n")) == ("ana", TOKEN)


@pytest.mark.faults("B10", "K10")
@pytest.mark.parametrize("bad", ["a\r\nX-Evil: 1", "a b", "a\0b", "“quoted”", "\x1b[0m", "", " ", "x" * 5000])
def test_B10_a_token_that_cannot_be_sent_is_refused_and_not_shown(bad):
    with pytest.raises(CredentialsError) as caught:
        Credentials("ana", bad)
    assert not bad.strip() or bad not in str(caught.value)
    with pytest.raises(CredentialsError):
        Credentials("a\r\nb", TOKEN)
