"""Whom TLS believes: the system's trust store, and what the user adds. Verification is never off."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path

from wheelhouse.errors import WheelhouseError


class UnreadableCertificate(WheelhouseError):
    """A CA file or client certificate that was named cannot be used."""

    hint = "name a readable PEM file"

    def __init__(self, path: Path, what: str, reason: str) -> None:
        super().__init__(path, what, reason)
        self.path, self.what, self.reason = path, what, reason

    def __str__(self) -> str:
        return f"the {self.what} `{self.path}` cannot be read: {self.reason}"


def trust(ca_file: Path | None, client_cert: Path | None) -> ssl.SSLContext:
    """A verifying context over the system's store, SSL_CERT_FILE and SSL_CERT_DIR, and `ca_file` beside them.

    `client_cert` is one PEM file with certificate and key (pip's `client-cert`). Raises `UnreadableCertificate`.

    On Linux OpenSSL's default paths *are* the system's store, SSL_CERT_FILE included. truststore reads them anew under
    one lock for every connection, and shakes hands under it, so there it serves only where OpenSSL finds no store.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if _openssl_knows_the_system():
        context.set_default_verify_paths()
    else:
        import truststore

        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        if file and Path(file).is_file():
            _load(context, Path(file))
        if folder and Path(folder).is_dir():
            context.load_verify_locations(capath=folder)
    if ca_file is not None:
        _load(context, ca_file)
    if client_cert is not None:
        try:
            context.load_cert_chain(str(client_cert))
        except (OSError, ssl.SSLError) as error:
            raise UnreadableCertificate(client_cert, "client certificate", _reason(error)) from error
    return context


def _load(context: ssl.SSLContext, file: Path) -> None:
    try:
        if file.is_dir():
            context.load_verify_locations(capath=str(file))
        else:
            context.load_verify_locations(cafile=str(file))
    except (OSError, ssl.SSLError) as error:
        raise UnreadableCertificate(file, "CA file", _reason(error)) from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "it holds no usable PEM"
    return (error.strerror or str(error)).lower()


def _openssl_knows_the_system() -> bool:
    if sys.platform in ("darwin", "win32"):
        return False
    found = ssl.get_default_verify_paths()
    return found.cafile is not None or (found.capath is not None and any(Path(found.capath).glob("*.0")))
