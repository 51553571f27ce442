"""A project page in HTML (PEP 503, 592, 629, 658, 714) as a `Page`."""

from __future__ import annotations

from urllib.parse import urljoin

from packaging.utils import NormalizedName
from selectolax.lexbor import LexborHTMLParser

from wheelhouse.digests import Digest
from wheelhouse.simple.links import Links, digest, moment, plain
from wheelhouse.simple.model import File, NotAPage, Page
from wheelhouse.urls import redact

# What index software, and web servers that list a folder, write in the title or in a heading, in lower case: PyPI,
# PyTorch, devpi, Nexus, GitLab "Links for NAME", Artifactory "Simple Index", nginx and Apache "Index of", Python's
# http.server "Directory listing".
_HEADINGS = ("links for", "simple index", "index of", "directory listing")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar", ".egg", ".exe")


def parse(project: NormalizedName, url: str, text: str) -> Page:
    """The page that `text` says, read from `url`. Links that lead to no usable file name are left out.

    A page without files is a page only if it looks like one: it has the meta element `pypi:repository-version`, or a
    title or heading such as "Links for torch". With none of these there must be a link to at least one archive; else it
    is taken for a captive portal or a login form, and `NotAPage` is raised, as for a repository version other than 1.x
    (PEP 629).
    """
    tree = LexborHTMLParser(text)
    base = tree.css_first("base[href]")
    try:
        root = url if base is None else urljoin(redact(url), base.attributes["href"] or "")
        links = Links(root, is_local=url[:5].lower() == "file:")
    except ValueError as error:
        raise NotAPage(url, f"its <base> is no URL: {error}") from error
    files = []
    for anchor in tree.tags("a"):
        attributes = anchor.attributes
        link = links.resolve(attributes.get("href") or "")
        if link is not None:
            files.append(_file(*link, attributes))
    if not _is_marked(tree, url) and not any(file.filename.lower().endswith(_ARCHIVES) for file in files):
        raise NotAPage(url, "HTML without a heading such as “Links for …” and without a link to a distribution")
    return Page(project=project, url=redact(url), files=tuple(files))


def _file(url: str, filename: str, fragment: str, attributes: dict[str, str | None]) -> File:
    requires_python = yanked = time = None
    metadata, metadata_digest = False, None
    if len(attributes) > 1:  # PyTorch's older files have nothing but href
        # an attribute without a value is None here, and "" is meant; the HTML parser has unescaped the values
        requires_python = plain(attributes.get("data-requires-python") or "") or None
        if "data-yanked" in attributes:
            yanked = plain(attributes["data-yanked"] or "")
        if "data-upload-time" in attributes:  # PyTorch's; PyPI says it in JSON only
            time = moment(attributes["data-upload-time"] or "")
        # PEP 714: where both are there the new spelling counts
        spelling = "data-core-metadata" if "data-core-metadata" in attributes else "data-dist-info-metadata"
        metadata, metadata_digest = _metadata(attributes.get(spelling))
    return File(
        filename=filename,
        url=url,
        digest=_sha256(fragment),
        requires_python=requires_python,
        yanked=yanked,
        upload_time=time,
        metadata=metadata,
        metadata_digest=metadata_digest,
    )


def _sha256(fragment: str) -> Digest | None:
    """The SHA-256 in `sha256=…`, which may be one of several parts (`#sha256=…&egg=…`)."""
    for part in fragment.split("&"):
        if part.startswith("sha256="):
            return digest(part[7:])
    return None


def _metadata(value: str | None) -> tuple[bool, Digest | None]:
    """PEP 658: "`true` or a hash of the file". Other algorithms leave the file offered, without a digest to check."""
    if not value or value.lower() == "false":
        return False, None
    return True, digest(value[7:]) if value.startswith("sha256=") else None


def _is_marked(tree: LexborHTMLParser, url: str) -> bool:
    """Whether the page says of itself that it is of an index."""
    version = tree.css_first('meta[name="pypi:repository-version"]')
    if version is not None:
        number = (version.attributes.get("content") or "").strip()
        if number.partition(".")[0] != "1":
            raise NotAPage(url, f"its repository version is `{plain(number)}`, and only 1.x is known")
        return True
    return any(mark in node.text().lower() for node in tree.css("title, h1, h2") for mark in _HEADINGS)
