from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landsat_async.config_tables import ServiceConfig
from landsat_async.credentials import resolve_credentials
from landsat_async.errors import ConfigError, CredentialsError
from landsat_async.kept_login import Login, logins_path, logins_text, read_logins, service_key, user_folder
from landsat_async.show.login_command import forget, keep
from landsat_async.user_files import Unreadable

TOKEN = "T0k3n_CANARY_9f8e7d"
HOST = "m2m.cr.usgs.gov"


@pytest.fixture
def home(tmp_path):
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({"HOME": "/h"}, "linux", "/h/.config/landsat_async"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "linux", "/x/landsat_async"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}, "linux", "/h/.config/landsat_async"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": ""}, "linux", "/h/.config/landsat_async"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/landsat_async"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "darwin", "/x/landsat_async"),
        ({"APPDATA": "/a/Roaming", "HOME": "/h"}, "win32", "/a/Roaming/landsat_async"),
        ({"USERPROFILE": "/u"}, "win32", "/u/AppData/Roaming/landsat_async"),
    ],
)
def test_the_folder_is_where_the_system_has_settings_of_a_user(environ, platform, folder):
    assert user_folder(environ, platform) == folder


@pytest.mark.faults("P04")
def test_P04_what_is_kept_can_be_read_by_this_user_alone_from_its_first_moment_on(home):
    os.umask(os.umask(0o022))
    path = keep(HOST, Login("ana", TOKEN), home)
    assert path == logins_path(home)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert os.listdir(os.path.dirname(path)) == ["logins.json"]
    assert resolve_credentials(ServiceConfig(), home).notes == ()
    os.chmod(path, 0o644)
    (note,) = resolve_credentials(ServiceConfig(), home).notes
    assert f"chmod 600 {path}" in note
    keep(HOST, Login("ana", TOKEN), home)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_logins_of_several_services_stand_beside_each_other_and_are_forgotten_one_by_one(home):
    keep(HOST, Login("ana", TOKEN), home)
    keep("127.0.0.1:8000", Login("demo", "other"), home)
    assert read_logins(logins_path(home)) == {HOST: ("ana", TOKEN), "127.0.0.1:8000": ("demo", "other")}
    assert forget(HOST, home)
    assert not forget(HOST, home)
    assert list(read_logins(logins_path(home))) == ["127.0.0.1:8000"]
    assert forget("127.0.0.1:8000", home)
    assert not os.path.exists(logins_path(home))


def test_what_is_kept_comes_behind_token_command_and_before_netrc(home, tmp_path):
    keep(HOST, Login("ana", TOKEN), home)
    (tmp_path / ".netrc").write_text(f"machine {HOST} login bob password other")
    (tmp_path / ".netrc").chmod(0o600)
    found = resolve_credentials(ServiceConfig(), {**home, "M2M_TOKEN": "third"})
    assert (found.username, found.token, found.source) == ("ana", TOKEN, "landsat-async login")
    found = resolve_credentials(ServiceConfig(username="carl", token_command=("echo", "fourth")), home)
    assert (found.username, found.token) == ("carl", "fourth")
    found = resolve_credentials(ServiceConfig(), {**home, "USGS_USERNAME": "dora", "USGS_TOKEN": "fifth"})
    assert (found.username, found.token) == ("dora", "fifth")
    assert forget(HOST, home)
    assert resolve_credentials(ServiceConfig(), home).username == "bob"


def test_a_login_serves_its_own_service_and_user_only(home):
    keep(HOST, Login("ana", TOKEN), home)
    for service in (ServiceConfig(url="http://127.0.0.1:1/"), ServiceConfig(username="bob")):
        with pytest.raises(CredentialsError, match="no login for") as caught:
            resolve_credentials(service, home)
        assert TOKEN not in str(caught.value)


@pytest.mark.faults("P04")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"logins": []}', b"\xff\xfe", b"[" * 100_000])
def test_P04_a_damaged_file_is_told_and_never_quoted_or_overwritten(home, body):
    path = logins_path(home)
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(body)
    with pytest.raises(CredentialsError, match="is not what `landsat-async login` writes"):
        resolve_credentials(ServiceConfig(), home)
    with pytest.raises(ConfigError, match="is not what"):
        keep(HOST, Login("ana", TOKEN), home)
    with open(path, "rb") as file:
        assert file.read() == body


def test_a_folder_that_cannot_be_made_is_told_with_another_way(home, tmp_path):
    (tmp_path / ".config").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be") as caught:
        keep(HOST, Login("ana", TOKEN), home)
    assert TOKEN not in str(caught.value)


def test_services_are_told_apart_by_host_and_port():
    assert service_key("https://M2M.cr.usgs.gov/api/") == HOST
    assert service_key("http://127.0.0.1:8000/api/") == "127.0.0.1:8000"


@given(st.dictionaries(st.text(max_size=20), st.tuples(st.text(), st.text()).map(lambda two: Login(*two)), max_size=4))
def test_what_is_written_is_read_again(tmp_path_factory, logins):
    path = tmp_path_factory.mktemp("kept") / "logins.json"
    try:
        path.write_bytes(logins_text(logins))
    except UnicodeEncodeError:
        return  # half a surrogate pair
    assert read_logins(str(path)) == logins


def test_entries_that_say_nothing_are_left_out(tmp_path):
    path = tmp_path / "logins.json"
    path.write_text('{"logins": {"a": 1, "b": {"username": "u"}, "c": {"username": "u", "token": "t"}}}')
    assert read_logins(str(path)) == {"c": ("u", "t")}
    path.write_text('{"version": 1}')
    with pytest.raises(Unreadable):
        read_logins(str(path))
