"""Which proxy leads to a URL: what was asked for, else the environment's, and NO_PROXY for both."""

from __future__ import annotations

import ipaddress
import urllib.request
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct


class Proxies(Struct, frozen=True, kw_only=True):
    """Proxy URLs (with their credentials) by scheme; `all` serves schemes that are not named."""

    by_scheme: dict[str, str]

    @classmethod
    def from_environment(cls, explicit: str | None) -> Self:
        """`explicit` for every scheme, else HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or the system's own settings."""
        found = {"all": explicit} if explicit else urllib.request.getproxies()
        return cls(by_scheme={scheme: _whole(proxy) for scheme, proxy in found.items() if proxy})

    def choose(self, url: str) -> str | None:
        """The proxy for `url`; None where it is asked straight."""
        parts = urlsplit(url)
        proxy = self.by_scheme.get(parts.scheme.lower()) or self.by_scheme.get("all")
        if proxy is None or _bypassed(parts.hostname or "", parts.netloc.rpartition("@")[2]):
            return None
        return proxy


def _whole(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _bypassed(host: str, with_port: str) -> bool:
    """NO_PROXY as urllib reads it, and networks in CIDR form, which companies write and urllib does not know."""
    if urllib.request.proxy_bypass(with_port):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in urllib.request.getproxies_environment().get("no", "").split(","):
        try:
            if "/" in entry and address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
