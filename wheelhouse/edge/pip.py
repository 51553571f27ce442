"""How pip is configured on this machine: the default index, and the certificates and proxy on the way to it."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from msgspec import Struct

from wheelhouse.errors import WheelhouseError
from wheelhouse.events import Warned
from wheelhouse.urls import redact

_NAME = "pip.ini" if sys.platform == "win32" else "pip.conf"
_SECTIONS = ("global", "install")  # pip: [global], then the command's own; a lock is what `pip install` would take
_KEYRINGS = ("disabled", "import", "subprocess", "auto")  # `auto` is what pip takes where nothing is said; we take none
_TRUE, _FALSE = ("y", "yes", "t", "true", "on", "1"), ("n", "no", "f", "false", "off", "0")


class PipConfiguration(Struct, frozen=True, kw_only=True):
    """What pip's files and `PIP_*` variables say that concerns us; None: nothing said."""

    index_url: str | None = None  # as written: it may hold credentials, and may be a local path
    index_url_from: str | None = None  # the file, or the environment variable, for messages
    cert: str | None = None  # a file with CA certificates; `~` is expanded in this and the next
    client_cert: str | None = None  # a file with certificate and private key
    proxy: str | None = None  # as written: it may hold credentials, and may lack a scheme
    no_index: bool = False
    keyring_provider: str | None = None  # "disabled", "import", "subprocess" or "auto"
    ignored: tuple[str, ...] = ()  # options that are not followed, ready to type but without credentials
    warnings: tuple[Warned, ...] = ()  # files and values that cannot be read; pip itself would stop


class ConfigurationFiles(Struct, frozen=True, kw_only=True):
    """Where pip looks, weakest first (pip's manual, "Configuration": global, user, site)."""

    global_: tuple[Path, ...]
    user: tuple[Path, ...]
    site: tuple[Path, ...]


class NoDefaultIndex(WheelhouseError):
    """Nobody named an index, and pip, whose own default would count, cannot be asked."""

    hint = "name an index: `--index-url URL`, or for good `pip config set global.index-url URL`"

    def __str__(self) -> str:
        return "no index is configured, and the pip that knows the default one is not installed beside wheelhouse"


def configuration_files() -> ConfigurationFiles:
    """The places on this machine, for this user and the environment that runs us; they need not exist."""
    directory = platformdirs.PlatformDirs("pip", appauthor=False, roaming=True, multipath=True)
    if sys.platform == "darwin":
        everywhere = directory.site_data_dir.split(os.pathsep)
        own = Path(directory.user_data_dir)
        user = own if own.is_dir() else Path.home() / ".config" / "pip"
    else:
        everywhere = directory.site_config_dir.split(os.pathsep)
        user = Path(directory.user_config_dir)
        if sys.platform != "win32":
            everywhere.append("/etc")
    legacy = Path.home() / ("pip" if sys.platform == "win32" else ".pip")
    return ConfigurationFiles(
        global_=tuple(Path(folder) / _NAME for folder in everywhere),
        user=(legacy / _NAME, user / _NAME),
        site=(Path(sys.prefix) / _NAME,),
    )


def read(environ: Mapping[str, str], files: ConfigurationFiles) -> PipConfiguration:
    """pip's configuration by pip's own rules: later files over earlier, `[install]` over `[global]`, `PIP_*` over all.

    `PIP_CONFIG_FILE` comes after all files and, if it exists, in place of the user's; naming `os.devnull` shuts all
    files out. An empty value takes back what an earlier file said in that section. Never raises: what cannot be read
    is told in `warnings`.
    """
    warnings: list[Warned] = []
    sections: dict[str, dict[str, tuple[str, str]]] = {section: {} for section in _SECTIONS}
    for path in _paths(environ, files):
        if not os.path.lexists(path):
            continue
        found = _read(path)
        if isinstance(found, Warned):
            warnings.append(found)
            continue
        for section, pairs in found.items():
            sections[section].update({key: (value, f"`{path}`") for key, value in pairs})
    values: dict[str, tuple[str, str]] = {}
    for section in _SECTIONS:
        values.update({key: found for key, found in sections[section].items() if found[0]})
    variables = {_key(name[4:]): (value, f"`{name}`") for name, value in environ.items() if name.startswith("PIP_")}
    values.update({key: found for key, found in variables.items() if found[0]})
    return _configuration(values, warnings)


def default_index_url() -> str:
    """The index that pip takes when nobody configures one, asked of the pip beside us. Raises `NoDefaultIndex`.

    This one module of pip is private, but small and in its place since pip 10; it loads in 1 ms.
    """
    try:
        from pip._internal.models.index import PyPI

        return str(PyPI.simple_url)
    except (ImportError, AttributeError) as error:
        raise NoDefaultIndex from error


def _read(path: Path) -> dict[str, list[tuple[str, str]]] | Warned:
    """The sections of one file that count."""
    import configparser  # where there is a file

    class Parser(configparser.RawConfigParser):
        def optionxform(self, optionstr: str) -> str:
            return _key(optionstr)

    parser = Parser()
    try:
        with path.open(encoding="utf-8" if sys.flags.utf8_mode else locale.getencoding()) as stream:
            parser.read_file(stream)
    except (OSError, ValueError, configparser.Error) as error:  # ValueError: not in this encoding
        message = f"pip's configuration file `{path}` cannot be read: {' '.join(str(error).split())}"
        return Warned(message, hint="correct it; wheelhouse went on without it")
    return {section: parser.items(section) for section in _SECTIONS if parser.has_section(section)}


def _key(name: str) -> str:
    """pip takes `index-url`, `index_url` and `--index-url` for the same."""
    return name.lower().replace("_", "-").removeprefix("--")


def _paths(environ: Mapping[str, str], files: ConfigurationFiles) -> tuple[Path, ...]:
    own = environ.get("PIP_CONFIG_FILE")
    if own is None:
        return (*files.global_, *files.user, *files.site)
    if own == os.devnull:
        return ()
    user = () if own and Path(own).exists() else files.user
    return (*files.global_, *user, *files.site, *((Path(own),) if own else ()))


def _configuration(values: Mapping[str, tuple[str, str]], warnings: list[Warned]) -> PipConfiguration:
    nothing: tuple[str | None, str | None] = (None, None)
    # both names are one option of pip's; the one given last would count, and nobody gives both
    index_url, index_url_from = values.get("index-url") or values.get("pypi-url") or nothing
    no_index, no_index_from = values.get("no-index", ("0", ""))
    if no_index.lower() not in (*_TRUE, *_FALSE):
        message = f"`no-index` from {no_index_from} is `{no_index}`, neither true nor false"
        warnings.append(Warned(message, hint="correct it; wheelhouse went on without it"))
    return PipConfiguration(
        index_url=index_url,
        index_url_from=index_url_from,
        cert=_path(values.get("cert", nothing)[0]),
        client_cert=_path(values.get("client-cert", nothing)[0]),
        proxy=values.get("proxy", nothing)[0],
        no_index=no_index.lower() in _TRUE,
        keyring_provider=_one_of(values.get("keyring-provider", nothing)[0], _KEYRINGS),
        ignored=tuple(
            f"--{key} {redact(value)}"
            for key in ("extra-index-url", "find-links", "trusted-host")
            for value in values.get(key, ("", ""))[0].split()
        ),
        warnings=tuple(warnings),
    )


def _one_of(text: str | None, known: tuple[str, ...]) -> str | None:
    return text if text in known else None


def _path(text: str | None) -> str | None:
    try:
        return None if text is None else str(Path(text).expanduser())
    except RuntimeError:  # `~name` of nobody: as written, and the one who opens it will say so
        return text
