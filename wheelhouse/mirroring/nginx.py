"""The configuration of an nginx that serves a mirror in a folder: the same answers as `wheelhouse mirror serve`.

Where nginx cannot do the same: it weighs `Accept` by whether JSON or HTML is wanted without a lower `q`, not by the
numbers; it does not redirect a name that is not normalized (pip, uv, poetry and pdm ask for normalized ones); its ETags
are made of time and size.
"""

from __future__ import annotations

import re

from msgspec import Struct

from wheelhouse.errors import UsageError
from wheelhouse.mirroring import names
from wheelhouse.mirroring.routes import MEDIA_TYPES, POLICY, SIMPLE_HTML, SIMPLE_JSON

_LISTEN = re.compile(r"(?:(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+|\*):)?[0-9]{1,5}")
_SERVER_NAME = re.compile(r"_|(?:[0-9A-Za-z_-]+\.)*[0-9A-Za-z_-]+")
# nginx reads `$` in a path as a variable and knows no way to write it; the others end a string or a line
_UNWRITABLE = re.compile(r'[\x00-\x1f\x7f"\\$]')


class Site(Struct, frozen=True, kw_only=True):
    """What the configuration is for. Paths are absolute, as the machine that runs nginx has them."""

    root: str
    listen: str = "127.0.0.1:8080"
    server_name: str = "_"
    cert: str | None = None
    key: str | None = None
    users: str | None = None  # of basic authentication


def configuration(site: Site) -> str:
    """The text of a file to include in nginx's `http` block. Raises `UsageError` for what nginx could not read."""
    if not _LISTEN.fullmatch(site.listen):
        raise UsageError(f"`{site.listen}` is not `ADDRESS:PORT`", hint="`--listen 127.0.0.1:8080`, or `--listen 80`")
    if not _SERVER_NAME.fullmatch(site.server_name):
        raise UsageError(f"`{site.server_name}` is no host name", hint="`--server-name wheels.example.org`")
    root = _path(site.root.rstrip("/") or "/")
    brief = "private, no-cache" if site.users else "no-cache"
    public = "private" if site.users else "public"
    index = rf"(?:simple|whl/{names.CHANNEL.pattern})".replace("(?:\\.", "(?:[.]")
    project = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
    wheel = r"/files/[0-9a-f]{2}/[0-9a-f]{64}/[A-Za-z0-9][A-Za-z0-9._+!-]*[.]whl"
    media = "\n".join(f"        {kind.partition(';')[0]} {ending};" for ending, kind in MEDIA_TYPES.items())
    small = "|".join(
        [
            "",
            "index[.]html",
            "catalog[.]json",
            f"page/[a-z0-9][a-z0-9-]*[.](?:{'|'.join(MEDIA_TYPES)})",
            "locks/[a-z][a-z0-9_.-]*/pylock[.][0-9a-f]{64}[.]toml",
            f"{index}/(?:{project}/)?index[.]html",
        ]
    )
    page_headers = _headers(brief, varies=True)
    return f"""\
# A mirror of Python wheels, served by nginx; written by `wheelhouse mirror nginx-conf`.
# To be included in the http block, as files in conf.d or sites-enabled are.
# nginx's own user has to be able to read the mirror: one that was made under umask 077 is a folder of 404s to it,
# until `chmod -R go+rX` of the mirror (and `umask 022` before the next `mirror add`).

# PEP 691: which form of a page is wanted. JSON that is wanted as much as anything, then HTML, then JSON at all.
map $http_accept $wheelhouse_accepted {{
    default html;
    "~*application/vnd[.]pypi[.]simple[.](v1|latest)[+]json *(; *q=1([.]0*)? *)?(,|$)" json;
    "~*(text/html|[*]/[*]) *(; *q=1([.]0*)? *)?(,|$)" html;
    "~*application/vnd[.]pypi[.]simple[.](v1|latest)[+]html *(; *q=1([.]0*)? *)?(,|$)" v1html;
    "~*application/vnd[.]pypi[.]simple[.](v1|latest)[+]json *; *q=0[.]0*[1-9]" json;
    "~*application/vnd[.]pypi[.]simple[.](v1|latest)[+]html *; *q=0[.]0*[1-9]" v1html;
}}
map $arg_format $wheelhouse_form {{
    default $wheelhouse_accepted;
    json json;
    html html;
    "~*^application(?:/|%2F)vnd[.]pypi[.]simple[.](v1|latest)([+]|%2B)json$" json;
    "~*^application(?:/|%2F)vnd[.]pypi[.]simple[.](v1|latest)([+]|%2B)html$" v1html;
    "~*^text(?:/|%2F)html$" html;
}}

server {{
    listen {site.listen}{" ssl" if site.cert else ""};
    server_name {site.server_name};
    root {root};
{_tls(site)}{_users(site)}
    autoindex off;
    log_not_found off;
    server_tokens off;
    absolute_redirect off;
    merge_slashes off;
    disable_symlinks on from=$document_root;
    client_max_body_size 1k;
    charset utf-8;
    charset_types text/plain text/css text/javascript {SIMPLE_HTML};
    sendfile on;
    tcp_nopush on;
    max_ranges 1;

    gzip on;
    gzip_vary on;
    gzip_proxied any;
    gzip_comp_level 1;
    gzip_min_length 512;
    gzip_types {SIMPLE_JSON} {SIMPLE_HTML}
        application/json text/css text/javascript text/plain image/svg+xml;

    types {{
{media}
    }}
    default_type application/octet-stream;

    # What is missing and what is not to be seen are the same answer. No other index is ever asked.
    error_page 403 404 = @nothing;
    location @nothing {{
        types {{ }}
        default_type text/plain;
        add_header X-Content-Type-Options nosniff always;
        return 404 "there is nothing here\\n";
    }}

    if ($request_method !~ ^(GET|HEAD)$) {{
        return 405;
    }}

    location / {{
        return 404;
    }}
    location = /healthz {{
        auth_basic off;
        access_log off;
        default_type text/plain;
        return 200 "ok\\n";
    }}

    # Named by the digest of the wheel: never another content
    location ~ "^{wheel}$" {{
        types {{ }}
        gzip off;
        add_header Cache-Control "{public}, max-age=31536000, immutable";
        add_header X-Content-Type-Options nosniff;
    }}
    location ~ "^{wheel}[.]metadata$" {{
        types {{ }}
        default_type text/plain;
        add_header Cache-Control "{public}, max-age=31536000, immutable";
        add_header X-Content-Type-Options nosniff;
    }}

    # Pages: in the form that is wanted
    location ~ "^/{index}(?:/{project})?$" {{
        return 301 $uri/$is_args$args;
    }}
    location ~ "^/{index}/(?:{project}/)?$" {{
        rewrite ^ "/.form/$wheelhouse_form$uri$wheelhouse_form" last;
    }}
    location ^~ /.form/json/ {{
        internal;
        types {{ }}
        default_type {SIMPLE_JSON};
        rewrite "^/[.]form/json(/.*/)json$" $1index.json break;
{page_headers}
    }}
    location ^~ /.form/html/ {{
        internal;
        types {{ }}
        default_type text/html;
        rewrite "^/[.]form/html(/.*/)html$" $1index.html break;
{page_headers}
    }}
    location ^~ /.form/v1html/ {{
        internal;
        types {{ }}
        default_type {SIMPLE_HTML};
        rewrite "^/[.]form/v1html(/.*/)v1html$" $1index.html break;
{page_headers}
    }}
    location ~ "^/{index}/(?:{project}/)?index[.]json$" {{
        types {{ }}
        default_type {SIMPLE_JSON};
{_headers(brief, varies=False)}
    }}

    # The page for people, and what it loads; published locks
    location ~ "^/(?:{small})$" {{
        index index.html;
{_headers(brief, varies=False)}
    }}
}}
"""


def _headers(cache: str, *, varies: bool) -> str:
    lines = [
        f'add_header Cache-Control "{cache}";',
        *(["add_header Vary Accept;"] if varies else []),
        "add_header X-Content-Type-Options nosniff;",
        f'add_header Content-Security-Policy "{POLICY}";',
        "add_header Referrer-Policy no-referrer;",
    ]
    return "\n".join(f"        {line}" for line in lines)


def _tls(site: Site) -> str:
    if site.cert is None or site.key is None:
        return ""
    return (
        f"    ssl_certificate {_path(site.cert)};\n    ssl_certificate_key {_path(site.key)};\n"
        "    ssl_protocols TLSv1.2 TLSv1.3;\n"
    )


def _users(site: Site) -> str:
    if site.users is None:
        return ""
    return f'    auth_basic "wheelhouse mirror";\n    auth_basic_user_file {_path(site.users)};\n'


def _path(path: str) -> str:
    """A path as nginx reads it: a string in quotes."""
    if _UNWRITABLE.search(path):
        shown = path.encode("unicode_escape").decode()
        raise UsageError(
            f"`{shown}` cannot be written in a configuration of nginx",
            hint='name it by a path without `$`, `"`, `\\` and control characters, such as a link to it',
        )
    return f'"{path}"'
