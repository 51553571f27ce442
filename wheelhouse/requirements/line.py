"""One requirement: by name, or by the URL or path of its file or folder, with the hashes beside it."""

from __future__ import annotations

import re
import shlex

from packaging.requirements import Requirement

from wheelhouse.digests import Digest
from wheelhouse.requirements.direct import BUILD, Reference, digests, reference
from wheelhouse.requirements.model import COMMAND_LINE, LocalProject, Refusal, RequirementError, Root

_FORM = 'write a project\'s name, such as `torch==2.5.1` or `requests[socks]>=2; sys_platform == "linux"`'
_SINGLE_EQUALS = re.compile(r"^[\w.-]+(?:\[[^\]]*\])?\s*=[^=]")
_OPTION = re.compile(r"(?:^|\s)(--?[A-Za-z][\w-]*)")  # pip: the first word that starts with a dash ends the requirement
_WINDOWS_FOLDER = re.compile(r"(?:\.{1,2}|[A-Za-z]:)\\")
_EDITABLE = f"leave out `-e`: the project is built into a wheel, with `--from-sdist NAME`; or {BUILD}"
_SETTINGS = "settings of a build cannot be locked", f"remove it and {BUILD}"
_HASHED = "`--hash` stands behind a requirement", "write it behind a `\\` at the end of the requirement's line"
REFUSED = {
    "-e": ("an editable install cannot be locked", _EDITABLE),
    "--editable": ("an editable install cannot be locked", _EDITABLE),
    "--trusted-host": ("TLS verification is never switched off", "name your CA: `pip config set global.cert FILE`"),
    "--hash": _HASHED,
    "--no-build-isolation": ("what is built is always built in isolation", f"remove it; if that fails, {BUILD}"),
    "--use-feature": ("`--use-feature` names features of pip", "remove it"),
    "-C": _SETTINGS,
    "--config-settings": _SETTINGS,
    "--config-setting": _SETTINGS,
    "--global-option": _SETTINGS,
    "--build-option": _SETTINGS,
    "--install-option": _SETTINGS,
}


def requirement(text: str, source: str = COMMAND_LINE, line: int = 0) -> Root:
    """One requirement whose project is known, as in `asked`; a folder needs a name: `NAME @ ./FOLDER`.

    Raises `RequirementError`.
    """
    found = asked(text, source, line)
    if isinstance(found, LocalProject):
        hint = f"write `NAME @ {found.path}`"
        raise RequirementError(source, line, text.strip(), "a folder does not tell its name here", hint=hint)
    return found


def asked(text: str, source: str = COMMAND_LINE, line: int = 0) -> Root | LocalProject:
    """One requirement in pip's forms, with extras, a marker (`; …`) and `--hash=sha256:…` behind it.

    By name (`torch==2.5.1`); as `NAME @ PLACE`; as a place alone, which is a URL or path of a wheel, an sdist or a
    folder. `#sha256=…` behind a place counts as `--hash` does. Raises `RequirementError` for all else, a repository
    (`git+https://…`) among it.
    """
    try:
        return read(text.strip(), source, line)
    except Refusal as refusal:
        raise RequirementError(source, line, text.strip(), refusal.reason, hint=refusal.hint) from refusal.__cause__


def read(text: str, source: str, line: int) -> Root | LocalProject:
    """As `asked`, for text without blanks around it. Raises `Refusal`."""
    option = _OPTION.search(text)
    words, options = (text[: option.start()].rstrip(), text[option.start() :]) if option else (text, "")
    if words.endswith("\\") and not (_WINDOWS_FOLDER.match(words) and source == COMMAND_LINE):
        raise Refusal("the `\\` at its end joins no line", "let nothing follow the `\\`, or remove it")
    found = reference(words) if words else None
    hashes = _hashes(options) if words or not option else _refused(option[1])
    if found is None:
        return Root(requirement=_by_name(words), source=source, line=line, hashes=hashes)
    if found.kind == "folder" and hashes:
        raise Refusal("a folder has no hash", f"remove it, or {BUILD}")
    if found.name is None:
        return LocalProject(path=found.direct, source=source, line=line, extras=found.extras, marker=found.marker)
    return Root(
        requirement=_of(found, found.name),
        source=source,
        line=line,
        direct=found.direct,
        hashes=tuple(dict.fromkeys((*hashes, *found.hashes))),
    )


def _by_name(text: str) -> Requirement:
    try:
        return Requirement(text)
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0] or "it cannot be read"
        reason = reason[0].lower() + reason[1:]
        hint = "write `==` where you mean one version" if _SINGLE_EQUALS.search(text) else _FORM
        raise Refusal(reason, hint) from error


def _of(found: Reference, name: str) -> Requirement:
    requirement = Requirement(name)
    requirement.extras, requirement.marker = set(found.extras), found.marker
    return requirement


def _hashes(options: str) -> tuple[Digest, ...]:
    """What `--hash` gives; other options beside a requirement are refused, and so is what is none."""
    written: list[str] = []
    try:
        words = iter(shlex.split(options))
    except ValueError as error:
        raise Refusal(f"{str(error)[:1].lower()}{str(error)[1:]}", "close the quotation mark") from error
    for word in words:
        name, separator, value = word.partition("=")
        if name != "--hash":
            return _refused(name)
        written.append(value if separator else next(words, ""))
    return digests(written)


def _refused(name: str) -> tuple[Digest, ...]:
    known = next((each for each in REFUSED if name == each or (name[:2] == each and name[1:2] != "-")), None)
    if known is not None:
        raise Refusal(*REFUSED[known])
    if name.startswith("-"):
        raise Refusal(f"`{name}` beside a requirement is not known", "remove it")
    raise Refusal("something stands behind the options of a requirement", "give each requirement a line of its own")
