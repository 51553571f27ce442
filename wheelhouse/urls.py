"""URLs as values: what may be shown, who is asked, and whose credentials they carry."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}


def redact(url: str) -> str:
    """`url` without user and password; what cannot be read as a URL loses all before its last `@`."""
    try:
        return split_credentials(url)[0]
    except ValueError:
        head, at, tail = url.rpartition("@")
        return tail if at and head else url


def split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """`url` without its user and password, and these two, unquoted; None where it has none.

    Raises `ValueError` for what is not a URL (an open bracket, for example).
    """
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = userinfo.partition(":")
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, (unquote(user), unquote(password)) if userinfo else None


def with_credentials(url: str, pair: tuple[str, str] | None) -> str:
    """`url` with user and password in it, quoted; as it is where there are none. Not for messages."""
    if pair is None:
        return url
    parts = urlsplit(url)
    userinfo = ":".join(quote(each, safe="") for each in pair)
    return urlunsplit(parts._replace(netloc=f"{userinfo}@{parts.netloc.rpartition('@')[2]}"))


def origin(url: str) -> str:
    """`scheme://host:port` of `url`, lower case and with the port always named (RFC 6454).

    Raises `ValueError` for what is not a URL.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    port = parts.port if parts.port is not None else _PORTS.get(scheme)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port is None else f"{scheme}://{shown}:{port}"


def host(url: str) -> str:
    """The host that `url` names, with its port where one is written; for messages."""
    try:
        return urlsplit(redact(url)).netloc.lower() or redact(url)
    except ValueError:
        return redact(url)
