"""What the daemon is told: a file, the environment, arguments, and what is refused with its place."""

import os
from dataclasses import fields

import pytest

from mapsd.errors import UsageError
from mapsd.settings import SETTINGS
from mapsd_api.settings import values
from mapsd_api.settings.settings import Settings, read, reloaded, usual_socket
from mapsd_api.settings.values import Address
from tests.cli.command import CHECKOUT

NOWHERE = "/nonexistent/mapsd.toml"
SOCKET = {"socket": "/run/x.sock"}
ONE_OF_EACH = """\
# how the file is written
socket = "/run/x/y.sock"
socket_mode = "0660"
socket_group = 0
group = "root"
listen = "[::1]:0"
beyond_loopback = false
token_file = '/etc/mapsd/tokens'
token_user = "root"
allowed_hosts = ["Maps.example", "[::1]"]
"allowed_origins" = ["https://maps.example"]
tls_certificate = "/etc/c.pem"
tls_key = "/etc/k.pem"
tls_client_ca = "/etc/ca.pem"
procfs = "/host/proc"
host_root = "/host"
lookups = 4
waiting = 0
connections = 100
body_limit = 2_048
page_size = 50
watch_interval = 0.5
drain = 3
audit = "/var/log/mapsd.audit"
"""
READ = Settings(
    socket="/run/x/y.sock", socket_mode=0o660, socket_group=0, group=0, listen=Address("::1", 0), beyond_loopback=False,
    token_file="/etc/mapsd/tokens", token_user=0, allowed_hosts=("maps.example", "[::1]"),
    allowed_origins=("https://maps.example",), tls_certificate="/etc/c.pem", tls_key="/etc/k.pem",
    tls_client_ca="/etc/ca.pem", procfs="/host/proc", host_root="/host", lookups=4, waiting=0, connections=100,
    body_limit=2048, page_size=50, watch_interval=0.5, drain=3.0, audit="/var/log/mapsd.audit")


@pytest.fixture
def file(tmp_path):
    def written(text: str) -> str:
        (tmp_path / "mapsd.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
        return str(tmp_path / "mapsd.toml")
    return written


def refused(arguments=None, environ=None) -> str:
    with pytest.raises(UsageError) as caught:
        read(SOCKET | (arguments or {}), environ or {}, NOWHERE)
    return str(caught.value)


def test_nothing_said_is_what_the_table_says():
    assert read(SOCKET, {}, NOWHERE) == Settings(**SOCKET)
    assert [one.name for one in fields(Settings)] == [one.name for one in SETTINGS]
    written = {one.name: one.default for one in SETTINGS if one.default}
    assert read(SOCKET | written, {}, NOWHERE) == Settings(**SOCKET)
    empty = Settings()
    assert {one.name for one in SETTINGS if not one.default} == {
        one.name for one in SETTINGS if getattr(empty, one.name) in (None, ())}


def test_every_setting_can_be_said_in_the_file(file):
    assert read({"config": file(ONE_OF_EACH)}, {}, NOWHERE) == READ
    assert read({}, {"MAPSD_CONFIG": file(ONE_OF_EACH)}, NOWHERE) == READ
    assert read({}, {}, file(ONE_OF_EACH)) == READ
    assert {line.split(" ")[0].strip('"') for line in ONE_OF_EACH.splitlines()[1:]} == {one.name for one in SETTINGS}


TEXTS = {
    "socket": "/run/x/y.sock", "socket_mode": "660", "socket_group": "root", "group": "0", "listen": "[::1]:0",
    "beyond_loopback": "false", "token_file": "/etc/mapsd/tokens", "token_user": "0",
    "allowed_hosts": "maps.example,[::1]", "allowed_origins": "https://maps.example", "tls_certificate": "/etc/c.pem",
    "tls_key": "/etc/k.pem", "tls_client_ca": "/etc/ca.pem", "procfs": "/host/proc", "host_root": "/host",
    "lookups": "4", "waiting": "0", "connections": "100", "body_limit": "2048", "page_size": "50",
    "watch_interval": "0.5", "drain": "3", "audit": "/var/log/mapsd.audit"}


def test_every_setting_can_be_said_in_the_environment_and_as_an_argument():
    assert read(TEXTS, {}, NOWHERE) == READ
    assert read({}, {one.variable: TEXTS[one.name] for one in SETTINGS}, NOWHERE) == READ


def test_an_argument_wins_over_the_environment_and_that_over_the_file(file):
    path = file('socket = "/file"\npage_size = 1\nwaiting = 1\nlookups = 1\n')
    found = read({"page_size": "3"}, {"MAPSD_PAGE_SIZE": "2", "MAPSD_WAITING": "2"}, path)
    assert (found.page_size, found.waiting, found.lookups) == (3, 2, 1)
    assert read({"config": path}, {"MAPSD_CONFIG": NOWHERE}, NOWHERE).page_size == 1


def test_an_empty_value_takes_back_what_was_said_before(file):
    path = file('socket = "/file"\nlisten = "localhost:1"\ntoken_file = "/t"\nallowed_hosts = ["a"]\ngroup = 7\n')
    found = read({"listen": "", "group": ""}, {"MAPSD_TOKEN_FILE": ""}, path)
    assert (found.listen, found.group, found.token_file) == (None, None, None)


def test_only_an_argument_may_be_a_relative_path():
    assert read({"socket": "x.sock"}, {}, NOWHERE).socket == os.path.abspath("x.sock")
    assert "not an absolute path: 'x.sock'" in refused(environ={"MAPSD_PROCFS": "x.sock"})


@pytest.mark.parametrize(("text", "said"), [
    ("sokcet = 1", ":1: no such setting: 'sokcet'"),
    ("\n\n  'a b' = 1", ":3: no such setting: 'a b'"),
    ("drain = 1\n[tls]\nkey = 'x'", ":2: no such setting: 'tls'"),
    ("tls.key = 'x'", ":1: no such setting: 'tls'"),
    ('"\\u0073ockett" = 1', ": no such setting: 'sockett'"),
    ("lookups = '4'", ":1: lookups: a whole number is needed"),
    ("lookups = true", ":1: lookups: a whole number is needed"),
    ("beyond_loopback = 1", ":1: beyond_loopback: true or false is needed"),
    ("beyond_loopback = 'true'", ":1: beyond_loopback: true or false is needed"),
    ("drain = '4'", ":1: drain: a whole number or a number is needed"),
    ("drain = nan", ":1: drain: not seconds from 0 to 3600: 'nan'"),
    ("socket = ['/a']", ":1: socket: a text in quotes is needed"),
    ("socket_mode = 0o600", ":1: socket_mode: a text in quotes is needed"),
    ("allowed_hosts = 'a'", ":1: allowed_hosts: a list of texts is needed"),
    ("allowed_hosts = ['a', 1]", ":1: allowed_hosts: a list of texts without commas is needed"),
    ("allowed_hosts = ['a,b']", ":1: allowed_hosts: a list of texts without commas is needed"),
    ("page_size = 0", ":1: page_size: not a whole number from 1 to 100000: '0'"),
    ('socket = "/a"\n\nlookups = ', ": Invalid value (at end of document)"),
    ("lookups = 1\nlookups = 2", ": Cannot overwrite a value (at end of document)"),
    ("lookups = " + "9" * 5000, ": "), ("\udcff = 1", ": not UTF-8"), ("x = " + "[" * 100_000, ": "),
])
def test_what_the_file_has_wrong_is_refused_with_its_line(file, text, said):
    path = file(text)
    for arguments, environ, usual in (({"config": path}, {}, NOWHERE), ({}, {"MAPSD_CONFIG": path}, NOWHERE),
                                      ({}, {}, path)):
        with pytest.raises(UsageError) as caught:
            read(SOCKET | arguments, environ, usual)
        assert str(caught.value).startswith(path + said)
        assert "\n" not in str(caught.value)


def test_a_named_file_must_be_readable(tmp_path):
    assert refused({"config": NOWHERE}) == f"{NOWHERE}: cannot be read: No such file or directory"
    assert refused(environ={"MAPSD_CONFIG": str(tmp_path)}) == f"{tmp_path}: cannot be read: Is a directory"


@pytest.mark.parametrize(("name", "text", "why"), [
    ("host_root", "run", "not an absolute path"), ("tls_key", "@mapsd", "not an absolute path"),
    ("procfs", "", "not an absolute path"), ("audit", "stdout", "not an absolute path"),
    ("socket_mode", "0999", "not permissions in octal, such as 0660"),
    ("socket_mode", "4755", "not permissions in octal, such as 0660"),
    ("socket_mode", "", "not permissions in octal, such as 0660"),
    ("group", "no such group", "no such group"), ("group", "-1", "no such group"),
    ("group", "4294967295", "not a number of a user or group"), ("group", "1x", "not a number of a user or group"),
    ("token_user", "nobody-here", "no such user"), ("token_user", "", "no such user"),
    ("listen", "8080", "not HOST:PORT, such as localhost:8080 or [::1]:8080"),
    ("listen", ":8080", "not HOST:PORT, such as localhost:8080 or [::1]:8080"),
    ("listen", "::1:8080", "not HOST:PORT, such as localhost:8080 or [::1]:8080"),
    ("listen", "[localhost]:8080", "not HOST:PORT, such as localhost:8080 or [::1]:8080"),
    ("listen", "localhost:65536", "not HOST:PORT, such as localhost:8080 or [::1]:8080"),
    ("listen", "localhost:http", "not HOST:PORT, such as localhost:8080 or [::1]:8080"),
    ("beyond_loopback", "yes", "neither true nor false"), ("beyond_loopback", "", "neither true nor false"),
    ("allowed_hosts", "a,,b", "not names or addresses with commas between them, IPv6 in brackets"),
    ("allowed_hosts", "*", "not names or addresses with commas between them, IPv6 in brackets"),
    ("allowed_hosts", "a:80", "not names or addresses with commas between them, IPv6 in brackets"),
    ("allowed_origins", "maps.example", "not origins with commas between them, such as https://maps.example"),
    ("allowed_origins", "null", "not origins with commas between them, such as https://maps.example"),
    ("allowed_origins", "https://a/", "not origins with commas between them, such as https://maps.example"),
    ("lookups", "0", "not a whole number from 1 to 64"), ("lookups", "1e1", "not a whole number from 1 to 64"),
    ("lookups", "\u0663", "not a whole number from 1 to 64"), ("waiting", "-1", "not a whole number from 0 to 10000"),
    ("watch_interval", "0", "not seconds from 0.1 to 3600"), ("drain", "inf", "not seconds from 0 to 3600"),
])
def test_a_value_that_is_none_is_refused_with_its_place(name, text, why):
    setting = next(one for one in SETTINGS if one.name == name)
    assert refused(environ={setting.variable: text}) == f"environment {setting.variable}: {why}: '{text}'"
    if setting.form != "PATH" or not text:
        assert refused({name: text}) == f"{setting.option}: {why}: '{text}'"


@pytest.mark.parametrize(("arguments", "said"), [
    ({"listen": "localhost:0"}, "--listen: needs token_file: whoever reaches the port could ask"),
    ({"listen": "0.0.0.0:0", "token_file": "/t"},
     "--listen: other machines reach this address: beyond_loopback must say so"),
    ({"listen": "localhost.example:0", "token_file": "/t"},
     "--listen: other machines reach this address: beyond_loopback must say so"),
    ({"listen": "[::]:0", "token_file": "/t"},
     "--listen: other machines reach this address: beyond_loopback must say so"),
    ({"tls_key": "/k"}, "--tls-key: needs tls_certificate"),
    ({"tls_client_ca": "/k"}, "--tls-client-ca: needs tls_certificate"),
    ({"tls_certificate": "/k"}, "--tls-certificate: needs listen: the Unix socket has no TLS"),
    ({"socket_group": "0"}, "--socket-group: needs a socket_mode that lets it in, such as 0660"),
    ({"socket_group": "0", "socket_mode": "0640"},
     "--socket-group: needs a socket_mode that lets it in, such as 0660"),
    ({"socket": ""}, "--socket: nothing would be served: neither a socket nor listen"),
])
def test_what_does_not_go_together_is_refused_with_its_place(arguments, said):
    assert refused(arguments) == said


@pytest.mark.parametrize("listen", ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "localhost:80"])
def test_loopback_needs_no_second_word(listen):
    assert str(read({"listen": listen, "token_file": "/t", "socket": ""}, {}, NOWHERE).listen) == listen


def test_an_address_beyond_loopback_is_taken_when_told_twice():
    told = {"listen": "0.0.0.0:80", "token_file": "/t", "beyond_loopback": "true"}
    assert read(SOCKET | told, {}, NOWHERE).listen == Address("0.0.0.0", 80)


@pytest.mark.parametrize("name", ["MAPSD_SOKCET", "MAPSD_", "MAPSD_socket"])
def test_a_variable_that_nobody_knows_is_refused(name):
    assert refused(environ={name: "1"}) == f"environment {name}: no such setting"


def test_variables_of_the_command_line_and_of_others_are_none_of_the_daemons():
    assert read(SOCKET, {"MAPSD_PAGER": "less", "MAPSD_TOO_OLD": " x ", "MAPSD_REQUIRE": "root", "MAPS": "1"},
                NOWHERE) == Settings(**SOCKET)


def test_the_socket_lies_where_the_user_has_a_place_for_it():
    assert usual_socket(0, {"XDG_RUNTIME_DIR": "/run/user/0"}) == "/run/mapsd/mapsd.sock"
    assert usual_socket(1000, {"XDG_RUNTIME_DIR": "/run/user/1000"}) == "/run/user/1000/mapsd.sock"
    assert read({}, {"XDG_RUNTIME_DIR": "/run/x"}, NOWHERE).socket == usual_socket(
        os.geteuid(), {"XDG_RUNTIME_DIR": "/run/x"})
    for environ in ({}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "here"}):
        with pytest.raises(UsageError, match="no XDG_RUNTIME_DIR for the socket: --socket must say"):
            usual_socket(1000, environ)


def test_sockets_of_the_service_manager_need_none_of_ours():
    handed = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    assert read({}, handed, NOWHERE) == Settings()
    assert read({"tls_certificate": "/c"}, handed, NOWHERE).tls_certificate == "/c"
    assert read({}, {**handed, "LISTEN_PID": "1", "XDG_RUNTIME_DIR": "/run/x"}, NOWHERE).socket


def test_a_reload_changes_what_may_change_and_names_the_rest():
    old = Settings(body_limit=1, lookups=1, group=1)
    new = Settings(body_limit=2, lookups=2, procfs="/host/proc", group=None)
    assert reloaded(old, new) == (Settings(body_limit=2, lookups=1, group=None), ("procfs", "lookups"))
    assert reloaded(new, new) == (new, ())


def test_every_form_has_a_reader():
    assert {one.form for one in SETTINGS} == set(values.READERS)
    assert set(values.TOML) <= set(values.READERS)


def test_every_setting_is_documented():
    page = (CHECKOUT / "docs/daemon.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    table = {row[0].strip("`"): row[1:] for row in rows if len(row) == 4}
    assert {name: [cell.strip("`") for cell in row] for name, row in table.items()} == {
        one.name: [one.default, "yes" if one.live else "", one.about] for one in SETTINGS}
