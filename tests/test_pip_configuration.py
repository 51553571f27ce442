"""pip's configuration as pip itself would read it, without pip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wheelhouse.edge import pip
from wheelhouse.edge.pip import ConfigurationFiles, NoDefaultIndex, PipConfiguration
from wheelhouse.events import Warned


class Machine:
    """pip's files in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = ConfigurationFiles(
            global_=(folder / "xdg.conf", folder / "etc.conf"),
            user=(folder / "legacy.conf", folder / "user.conf"),
            site=(folder / "site.conf",),
        )

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def read(self, **environ: str) -> PipConfiguration:
        return pip.read(environ, self.files)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_files_and_variables_nothing_is_configured(machine: Machine) -> None:
    assert machine.read() == PipConfiguration()


def test_a_file_names_index_certificates_and_proxy(machine: Machine) -> None:
    path = machine.write(
        "user.conf",
        "[global]\nindex-url = https://me:secret@index.example/simple\ncert = /etc/ca.pem\nclient_cert = /etc/me.pem\n"
        "--proxy = http://proxy.example:3128\nno-index = no\ntimeout = 60\n[list]\nformat = columns\n",
    )
    assert machine.read() == PipConfiguration(
        index_url="https://me:secret@index.example/simple",
        index_url_from=f"`{path}`",
        cert="/etc/ca.pem",
        client_cert="/etc/me.pem",
        proxy="http://proxy.example:3128",
    )


def test_later_files_win_in_pips_order(machine: Machine) -> None:
    expected = None
    for name in ("xdg.conf", "etc.conf", "legacy.conf", "user.conf", "site.conf", "own.conf"):
        expected = f"https://{name}"
        machine.write(name, f"[global]\nindex-url = {expected}\n")
        own = {"PIP_CONFIG_FILE": str(machine.folder / "own.conf")} if name == "own.conf" else {}
        assert machine.read(**own).index_url == expected


def test_the_install_section_wins_over_global_wherever_it_stands(machine: Machine) -> None:
    machine.write(
        "etc.conf", "[install]\nindex-url = https://install.example\n[download]\nindex-url = https://no.example\n"
    )
    machine.write("site.conf", "[global]\nindex-url = https://global.example\n")
    assert machine.read().index_url == "https://install.example"


def test_variables_win_over_all_files(machine: Machine) -> None:
    machine.write("site.conf", "[install]\nindex-url = https://file.example\n")
    found = machine.read(
        PIP_INDEX_URL="https://variable.example", PIP_CERT="/ca.pem", PIP_CLIENT_CERT="/me.pem", PIP_PROXY="p:1"
    )
    assert found == PipConfiguration(
        index_url="https://variable.example",
        index_url_from="`PIP_INDEX_URL`",
        cert="/ca.pem",
        client_cert="/me.pem",
        proxy="p:1",
    )


def test_an_empty_value_takes_back_a_file_but_an_empty_variable_nothing(machine: Machine) -> None:
    machine.write("etc.conf", "[global]\nindex-url = https://file.example\n")
    assert machine.read(PIP_INDEX_URL="").index_url == "https://file.example"
    machine.write("user.conf", "[global]\nindex-url =\n")
    assert machine.read().index_url is None


def test_an_own_file_stands_in_for_the_users(machine: Machine) -> None:
    machine.write("etc.conf", "[global]\ncert = /global.pem\n")
    machine.write("user.conf", "[global]\nproxy = user.example:1\n")
    own = machine.write("own.conf", "[global]\nindex-url = https://own.example\n")
    found = machine.read(PIP_CONFIG_FILE=own)
    assert (found.index_url, found.cert, found.proxy) == ("https://own.example", "/global.pem", None)
    assert machine.read(PIP_CONFIG_FILE=own + ".missing").proxy == "user.example:1"


def test_the_null_device_shuts_all_files_out(machine: Machine) -> None:
    machine.write("etc.conf", "[global]\nindex-url = https://file.example\n")
    found = machine.read(PIP_CONFIG_FILE=os.devnull, PIP_PROXY="p:1")
    assert found == PipConfiguration(proxy="p:1")


def test_other_sources_are_named_but_not_followed(machine: Machine) -> None:
    machine.write(
        "user.conf",
        "[global]\nextra-index-url =\n    https://me:secret@a.example/simple\n    https://b.example/simple\n"
        "find-links = /opt/wheels\ntrusted-host = c.example\n",
    )
    found = machine.read()
    assert found.index_url is None
    assert found.ignored == (
        "--extra-index-url https://a.example/simple",
        "--extra-index-url https://b.example/simple",
        "--find-links /opt/wheels",
        "--trusted-host c.example",
    )


def test_a_file_that_cannot_be_read_is_a_warning(machine: Machine) -> None:
    machine.write("etc.conf", "index-url = https://no-section.example\n")
    (machine.folder / "xdg.conf").mkdir()
    (machine.folder / "legacy.conf").write_bytes(b"[global]\nproxy = \xff\xfe\n")
    machine.write("site.conf", "[global]\ncert = /a.pem\ncert = /b.pem\n")
    machine.write("user.conf", "[global]\nproxy = p:1\n")
    found = machine.read()
    assert found.proxy == "p:1"
    assert [warning.message.partition(" cannot be read: ")[0] for warning in found.warnings] == [
        f"pip's configuration file `{machine.folder / name}`"
        for name in ("xdg.conf", "etc.conf", "legacy.conf", "site.conf")
    ]
    assert {warning.hint for warning in found.warnings} == {"correct it; wheelhouse went on without it"}


@pytest.mark.parametrize(
    ("text", "no_index"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("false", False)]
)
def test_no_index_is_a_truth_value(machine: Machine, text: str, no_index: bool) -> None:
    assert machine.read(PIP_NO_INDEX=text) == PipConfiguration(no_index=no_index)


def test_a_value_that_is_no_truth_value_is_a_warning(machine: Machine) -> None:
    assert machine.read(PIP_NO_INDEX="maybe") == PipConfiguration(
        warnings=(
            Warned(
                "`no-index` from `PIP_NO_INDEX` is `maybe`, neither true nor false",
                hint="correct it; wheelhouse went on without it",
            ),
        )
    )


def test_the_home_folder_is_expanded_in_certificate_paths(machine: Machine) -> None:
    found = machine.read(PIP_CERT="~/ca.pem", PIP_CLIENT_CERT="~nobody-of-this-name/me.pem")
    assert found.cert == str(Path.home() / "ca.pem")
    assert found.client_cert == "~nobody-of-this-name/me.pem"


def test_the_places_are_pips_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of pip itself: `pip config debug` prints each place with `, exists:`."""
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path / 'one'}{os.pathsep}{tmp_path / 'two'}")
    monkeypatch.delenv("PIP_CONFIG_FILE")
    command = [sys.executable, "-m", "pip", "config", "debug"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    places = {line.partition(", exists:")[0].strip() for line in printed.splitlines() if ", exists:" in line}
    files = pip.configuration_files()
    assert {str(path) for path in (*files.global_, *files.user, *files.site)} == places


def test_pip_itself_says_the_same(machine: Machine) -> None:
    """pip's own `config get` on the same files (its sections stay apart there, so each has its own key)."""
    own = machine.write("own.conf", "[global]\nindex_url = https://a.example/%%7Esimple\nproxy = 'x' ; not a comment\n")
    found = machine.read(PIP_CONFIG_FILE=own)
    for key, value in (("global.index-url", found.index_url), ("global.proxy", found.proxy)):
        command = [sys.executable, "-m", "pip", "config", "get", key]
        printed = subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | {"PIP_CONFIG_FILE": own}
        )
        assert printed.stdout.rstrip("\n") == value


def test_pip_knows_the_default_index() -> None:
    url = pip.default_index_url()
    assert url.startswith("https://")
    assert url.endswith("/simple")


def test_without_pip_the_default_index_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip._internal.models.index", None)
    with pytest.raises(NoDefaultIndex) as raised:
        pip.default_index_url()
    assert str(raised.value) == (
        "no index is configured, and the pip that knows the default one is not installed beside wheelhouse"
    )
    assert raised.value.hint.startswith("name an index: `--index-url URL`")
