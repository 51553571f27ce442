#!/usr/bin/env python3
"""Install the wheels beside this file into a virtual environment, without a network: all checks first, then the rest.

    sh install.sh [--python PYTHON] [--venv DIR] [--check] [--accept RULE]       (Windows: py install.py ...)

Standard library only, Python 3.6 or newer. The file must even *parse* on Python 2.7 and 3.5, so that they get a
sentence and not a SyntaxError: no f-strings, no annotations, no keyword-only arguments.

Exit codes: 0 installed (with --check: it would be); 1 refused or failed, and nothing was changed; 2 wrong usage;
3 installed, but `pip check`, an import or the smoke test failed; 4 with --check: it would be, but there are warnings;
128 + the signal's number when interrupted.
stderr tells what happens; the only line on stdout is the path of the virtual environment's Python.
"""

import os
import sys

if sys.version_info < (3, 6):
    sys.stderr.write(
        "error[python-version]: install.py runs on Python 3.6 or newer, but this is Python %d.%d; nothing was changed\n"
        "  hint: type `sh install.sh`, which looks for one, or `python3 install.py`\n" % sys.version_info[:2]
    )
    sys.exit(1)

HERE = os.path.dirname(os.path.realpath(__file__))

if __name__ == "__main__" and not sys.flags.isolated:
    # Nothing that lies beside this file or in a PYTHONPATH stands in for the standard library (install.sh says -I).
    del sys.path[0]
    if os.environ.get("PYTHONPATH"):
        _entries = [entry or os.curdir for entry in os.environ["PYTHONPATH"].split(os.pathsep)]
        _strange = [os.path.abspath(entry) for entry in _entries if os.path.exists(entry)]
        sys.path[:] = [entry for entry in sys.path if entry not in _strange]

import signal  # noqa: E402

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `main` handles it: no traceback while the rest is imported

import argparse  # noqa: E402
import csv  # noqa: E402
import difflib  # noqa: E402
import glob  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
import locale  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402
import unicodedata  # noqa: E402
import zipfile  # noqa: E402
from collections import namedtuple  # noqa: E402

# One thing that was found: the rule's stable name, what was seen, why it matters, what to do about it (one way a line).
# `severity`: an error speaks against installing, a warning says what may fail later, a note is only told by --check.
Finding = namedtuple("Finding", "rule what why hint severity")
Finding.__new__.__defaults__ = ("error",)
# One file that the bundle must hold; `path` is relative to the bundle, `size` in bytes or None where nobody told it.
Promise = namedtuple("Promise", "path sha256 size")
Options = namedtuple("Options", "python venv check accept")
# What the checks found: `facts` on the interpreter, `seen` by probe.py, `room` a sentence on the space; None: unknown.
Checked = namedtuple("Checked", "target facts venv findings seen room")
SEVERITIES = ("error", "warning", "note")

# Rules that a person may overrule with --accept: at worst the installation fails and is taken back. What is said about
# the bytes, the bundle or the virtual environment's folder is not among them.
ACCEPTABLE = (
    "abi",
    "compiler",
    "desktop-library",
    "driver",
    "glibc",
    "gpu",
    "implementation",
    "long-path",
    "machine",
    "macos-version",
    "ngc",
    "noexec",
    "nvjitlink",
    "program",
    "python-version",
    "requires-python",
    "space",
    "tmp-space",
)
UNACCEPTABLE = ("digest", "foreign-file", "manifest", "missing-file", "python", "python-modules", "venv")

TMP_BYTES = 64 * 1024 * 1024  # measured: pip unpacks local wheels straight into place and TMPDIR peaks at 1 MB
VENV_BYTES = 16 * 1024 * 1024  # a virtual environment without pip, launchers and entry points
VENV_FILES = 32  # and what lies in it: links, activation scripts, folders
BLOCK = 4096  # a file takes whole blocks
IMPORT_SECONDS = 120
PROBE_SECONDS = 60
CHUNK = 1 << 20  # of a file that is hashed; each thread keeps one
ROOT = os.path.abspath(os.sep)
# What file managers leave in every folder that they have shown; pip takes none of it for a wheel of ours.
DROPPINGS = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini|\.nfs.*", re.IGNORECASE)
# What pip would look at in a folder, and what an interrupted copy leaves.
ARCHIVES = (".whl", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".egg", ".partial")

# Runs in the interpreter that is asked about. Paths travel as hexadecimal bytes: the two may disagree on the encoding.
PROBE = r"""
import json, os, platform, re, struct, subprocess, sys, sysconfig

def glibc():
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        name = None
    if not name:
        try:
            import ctypes
            version = ctypes.CDLL(None).gnu_get_libc_version
            version.restype = ctypes.c_char_p
            name = version().decode("ascii")
        except Exception:
            return None
    found = re.search(r"(\d+)\.(\d+)", name)
    return [int(part) for part in found.groups()] if found else None

def musl():
    import glob
    for loader in sorted(glob.glob("/lib/ld-musl-*.so.1")):
        try:
            said = subprocess.Popen([loader], stdout=subprocess.PIPE, stderr=subprocess.PIPE).communicate()[1]
        except OSError:
            continue
        found = re.search(r"Version (\d+)\.(\d+)", said.decode("ascii", "replace"))
        if found:
            return [int(part) for part in found.groups()]
    return None

def missing():
    for name in ("venv", "zlib", "hashlib", "ctypes", "email", "html.parser", "xml.etree", "logging", "unicodedata"):
        try:
            __import__(name)
        except ImportError:
            yield name

def base():
    # A virtual environment made from another one should not depend on it: the interpreter under both.
    if sys.prefix == getattr(sys, "base_prefix", sys.prefix):
        return sys.executable
    found = getattr(sys, "_base_executable", None)
    if found and found != sys.executable and os.path.exists(found):
        return found
    if os.name != "nt":
        found = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
        if os.path.exists(found):
            return found
    return sys.executable

linux = sys.platform.startswith("linux")
libc = glibc() if linux else None
# On Windows the process's own architecture, which platform.machine() does not tell under emulation.
machine = sysconfig.get_platform().split("-")[-1] if os.name == "nt" else platform.machine()
paths = sysconfig.get_paths()
print("WHEELHOUSE" + json.dumps({
    "version": list(sys.version_info[:3]),
    "implementation": sys.implementation.name,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "os": {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux" if linux else sys.platform),
    "machine": machine.lower(),
    "bits": struct.calcsize("P") * 8,
    "glibc": libc,
    "musl": musl() if linux and libc is None else None,
    "macos": [int(part) for part in platform.mac_ver()[0].split(".")[:2] if part] if sys.platform == "darwin" else None,
    "missing": list(missing()),
    "executable": os.fsencode(sys.executable).hex(),
    "base": os.fsencode(base()).hex(),
    "site": [os.fsencode(paths[name]).hex() for name in ("purelib", "platlib")],
}))
"""


class Interrupted(BaseException):
    """A signal asked us to stop; its number."""


class Unreadable(Exception):  # noqa: N818 - a finding that travels, as the ones that are returned
    """MANIFEST.json or SHA256SUMS cannot be used; the finding."""

    def __init__(self, finding):
        Exception.__init__(self, finding)
        self.finding = finding


# -- talk ------------------------------------------------------------------------------------------


def say(text=""):
    """One line on stderr. Never fails, whatever the encoding, and a path is shown with the bytes that it has."""
    try:
        line = (text + "\n").encode(sys.getfilesystemencoding(), "surrogateescape")
    except UnicodeError:
        line = (text + "\n").encode("ascii", "backslashreplace")
    try:
        sys.stderr.flush()
        sys.stderr.buffer.write(line.replace(b"\n", os.linesep.encode("ascii")))
        sys.stderr.buffer.flush()
    except (OSError, ValueError):
        pass


def tell(finding):
    """A finding, for a person."""
    say_wrapped("%s[%s]: %s" % (finding.severity, finding.rule, finding.what))
    if finding.why:
        say_wrapped("  why: %s" % finding.why)
    for line in finding.hint.splitlines():
        say_wrapped("  hint: %s" % line)


def say_wrapped(text):
    """One line on stderr, broken between words where a terminal shows it; a file gets it whole."""
    try:
        columns = shutil.get_terminal_size().columns if sys.stderr.isatty() or os.environ.get("COLUMNS") else None
    except (OSError, ValueError):
        columns = None
    for line in wrapped(text, columns):
        say(line)


def wrapped(text, columns):
    """A text in lines of at most `columns` cells (None: one line), further lines indented. Wide characters take two."""
    if columns is None or columns < 40:
        return [text]
    indent = len(text) - len(text.lstrip())
    lines, line, width = [], text[:indent], indent
    for word in text.split():
        cells = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in word)
        if width + 1 + cells > columns - 1 and line.strip():
            lines.append(line)
            line, width = " " * (indent + 4), indent + 4
        gap = " " if line.strip() else ""
        line, width = line + gap + word, width + len(gap) + cells
    return lines + [line]


def listed(names):
    """[`a`, `b`, `c`] as "`a`, `b` and `c`"."""
    quoted = ["`%s`" % name for name in names]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))


def counted(count, noun):
    """1 warning, 2 warnings."""
    return "%d %s%s" % (count, noun, "" if count == 1 else "s")


def amount(count):
    """Bytes in decimal units, as disks and downloads are sold: `4.7 GB`."""
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return "%.1f %s" % (count / float(size), unit)
    return "%d bytes" % count


def dotted(version):
    """(3, 10, 2) as `3.10.2`."""
    return ".".join(str(part) for part in version)


def numbers(version):
    """`515.65.01` as [515, 65, 1], for comparing."""
    return [int(part) for part in re.findall(r"\d+", version or "")]


def reaches(here, floor):
    """Is a driver as new as `floor`? Only the parts that both tell are compared: a floor of `580` is all of R580."""
    shared = min(len(numbers(here)), len(numbers(floor)))
    return numbers(here)[:shared] >= numbers(floor)[:shared]


# -- what the bundle says --------------------------------------------------------------------------


def read_manifest(folder):
    """The one target of MANIFEST.json. Raises Unreadable."""
    path = os.path.join(folder, "MANIFEST.json")
    hint = "copy the whole folder of the bundle again"
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
        targets = manifest["targets"]
        target = targets[0]
        for name in ("label", "os", "arch", "python", "installer", "requirements", "wheels", "projects"):
            target[name]
        for wheel in target["wheels"]:
            wheel["path"], wheel["sha256"]
    except FileNotFoundError:
        raise Unreadable(Finding("missing-file", "`MANIFEST.json` is missing", "it says what the bundle holds", hint))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        what = "`MANIFEST.json` cannot be read: %s" % (error,)
        raise Unreadable(Finding("manifest", what, "it says what the bundle holds", hint))
    if len(targets) != 1:
        what = "`MANIFEST.json` is for %d targets, but this install.py knows how to install one" % len(targets)
        raise Unreadable(Finding("manifest", what, "", "make a bundle for one target"))
    return target


def read_sums(folder):
    """SHA256SUMS as {path: hexadecimal digest}. Raises Unreadable."""
    hint = "copy the whole folder of the bundle again"
    sums = {}
    try:
        with open(os.path.join(folder, "SHA256SUMS"), encoding="utf-8") as file:
            for line in file.read().splitlines():
                found = re.match(r"([0-9a-f]{64}) [ *](.+)\Z", line)
                if not found:
                    raise ValueError("the line `%s`" % line[:80])
                sums[found.group(2)] = found.group(1)
    except FileNotFoundError:
        what = "`SHA256SUMS` is missing"
        raise Unreadable(Finding("missing-file", what, "without it no byte of the bundle can be trusted", hint))
    except (OSError, ValueError) as error:
        raise Unreadable(Finding("manifest", "`SHA256SUMS` cannot be read: %s" % error, "", hint))
    return sums


def promises(target, sums):
    """Every file that must be there, by path: what SHA256SUMS lists; sizes from MANIFEST.json where it is readable."""
    sizes = {wheel["path"]: wheel.get("size") for wheel in target["wheels"]} if target else {}
    return [Promise(path, sums[path], sizes.get(path)) for path in sorted(sums)]


def judge_contents(target, sums, requirements):
    """Do MANIFEST.json, SHA256SUMS and requirements.txt speak of the same wheels? `requirements` is the file's text."""
    hint = "copy the whole folder of the bundle again; if it stays, build it again"
    findings = []
    for wheel in target["wheels"]:
        path = wheel["path"]
        if re.match(r"[/\\]|.*(^|[/\\])\.\.([/\\]|$)|[A-Za-z]:", path):
            what = "`MANIFEST.json` names `%s`, which is outside the bundle" % path
            findings.append(Finding("manifest", what, "", hint))
        elif path not in sums:
            findings.append(Finding("manifest", "`SHA256SUMS` does not list `%s`" % path, "", hint))
        elif sums[path] != wheel["sha256"]:
            what = "`MANIFEST.json` and `SHA256SUMS` give `%s` two different digests" % path
            findings.append(Finding("digest", what, "one of the two was changed after the bundle was made", hint))
    if target["installer"] not in [wheel["path"] for wheel in target["wheels"]]:
        what = "`MANIFEST.json` names the pip `%s`, but not among the wheels" % target["installer"]
        findings.append(Finding("manifest", what, "", hint))
    for path in ("MANIFEST.json", target["requirements"]):
        if path not in sums:
            findings.append(Finding("manifest", "`SHA256SUMS` does not list `%s`" % path, "", hint))
    if requirements is not None:
        asked = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements))
        named = {wheel["sha256"]: wheel["path"] for wheel in target["wheels"]}
        unknown = len(asked - set(named))
        forgotten = sorted(named[digest] for digest in set(named) - asked if named[digest] != target["installer"])
        if unknown or forgotten:
            parts = ["does not ask for `%s`" % path for path in forgotten]
            if unknown:
                parts.append("asks for %d wheels that `MANIFEST.json` does not name" % unknown)
            what = "`%s` %s" % (target["requirements"], " and ".join(parts))
            findings.append(Finding("digest", what, "one of the two was changed after the bundle was made", hint))
    return findings


def check_file(folder, promise, buffer, told):
    """Hash one promised file; a finding where it is missing, cut off or other bytes, else None.

    `buffer` is the caller's, as large as a chunk; `told(count)` hears of every chunk's bytes.
    """
    hint = "copy it again from where the bundle was made, and compare with `sha256sum -c SHA256SUMS`"
    path = os.path.join(folder, *promise.path.split("/"))
    try:
        size = os.stat(path).st_size
        if promise.size is not None and size != promise.size:
            what = "`%s` has %d bytes, but %d were promised" % (promise.path, size, promise.size)
            return Finding("digest", what, "it was cut off or changed on its way", hint)
        sha256, view = hashlib.sha256(), memoryview(buffer)
        with open(path, "rb", buffering=0) as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    break
                sha256.update(view[:count])
                told(count)
    except (FileNotFoundError, NotADirectoryError):
        return Finding("missing-file", "`%s` is missing" % promise.path, "", hint)
    except OSError as error:
        what = "`%s` cannot be read: %s" % (promise.path, error.strerror or error)
        return Finding("missing-file", what, "", hint)
    if sha256.hexdigest() == promise.sha256:
        return None
    found = (promise.path, sha256.hexdigest(), promise.sha256)
    what = "`%s` is sha256:%s, but sha256:%s was promised" % found
    return Finding("digest", what, "it was damaged or changed on its way", hint)


def processors():
    """How many processors we may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def check_files(folder, promised):
    """Hash every promised file, each once, on all processors; the findings by path, in the order of `promised`.

    Threads are enough: reading and hashing let the others run. The largest files go first, so that none is left alone
    at the end. The threads are daemons and the main one only waits, so that Ctrl-C ends us within a fifth of a second.
    """
    total = sum(promise.size or 0 for promise in promised)
    show = sys.stderr.isatty() and total > 10**8
    waiting = sorted(range(len(promised)), key=lambda place: promised[place].size or 0)  # pop() takes the last
    answers, failed, hashed = {}, [], []
    stopped = threading.Event()

    def told(count):
        hashed.append(count)
        if stopped.is_set():
            raise Interrupted(0)

    def work():
        buffer = bytearray(CHUNK)
        try:
            while not failed and not stopped.is_set():
                place = waiting.pop()  # atomic: one of us gets it
                answers[place] = check_file(folder, promised[place], buffer, told)
        except (IndexError, Interrupted):
            pass  # nothing is left, or nobody waits for it
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(min(processors(), len(promised)))]
    try:
        for thread in threads:
            thread.daemon = True
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                if show:
                    sys.stderr.write("\rchecking digests: %s of %s " % (amount(sum(hashed)), amount(total)))
                    sys.stderr.flush()
    finally:
        stopped.set()
        if show:
            sys.stderr.write("\r%60s\r" % "")
    if failed:
        raise failed[0]
    return {promise.path: answers[place] for place, promise in enumerate(promised) if answers[place] is not None}


def check_foreign(folder, target):
    """What lies in the folder of the wheels and is not of this bundle."""
    wheels = {wheel["path"] for wheel in target["wheels"]}
    inner = "wheels" if any(path.startswith("wheels/") for path in wheels) else ""
    findings = []
    try:
        names = sorted(os.listdir(os.path.join(folder, inner) if inner else folder))
    except OSError:
        return []  # each wheel is told as missing
    for name in names:
        path = inner + "/" + name if inner else name
        if path in wheels or DROPPINGS.match(name) or not (inner or name.lower().endswith(ARCHIVES)):
            continue
        what = "`%s` is not of this bundle" % path
        why = "a wheel folder holds what the lock names and nothing else"
        findings.append(Finding("foreign-file", what, why, "move it out of the folder"))
    return findings


# -- which Python ----------------------------------------------------------------------------------


def utf8_locale():
    """A locale in which every Python can name every path, where the present one is C or not UTF-8; else None.

    Under LC_ALL=C Python 3.6 takes ASCII, and 3.7 misreads its own path: pip then fails in a Korean folder.
    """
    before = locale.setlocale(locale.LC_CTYPE)
    encoding = sys.getfilesystemencoding().lower().replace("-", "")
    if os.name == "nt" or (before not in ("C", "POSIX") and encoding == "utf8"):
        return None
    for name in ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8"):
        try:
            locale.setlocale(locale.LC_CTYPE, name)
        except locale.Error:
            continue
        locale.setlocale(locale.LC_CTYPE, before)
        return name
    return None


def environment(home):
    """The environment of every process that we start: no setting of pip, Python or a proxy.

    PIP_CONFIG_FILE=os.devnull makes pip read no configuration file at all; `--isolated` alone still reads the machine's
    and the virtual environment's. `home` stands in where there is no HOME: pip on Python 3.6 fails for a user who has
    none.
    """
    ours = {}
    for name, value in os.environ.items():
        upper = name.upper()
        if upper.startswith(("PIP_", "PYTHON", "_PYTHON")) or upper.endswith("_PROXY") or upper in (
            "__PYVENV_LAUNCHER__", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "DESTDIR",
        ):  # fmt: skip
            continue
        ours[name] = value
    ours["PIP_CONFIG_FILE"] = os.devnull
    if os.name != "nt" and not ours.get("HOME"):
        ours["HOME"] = home
    if utf8_locale():
        ours["LC_ALL"] = utf8_locale()
    try:
        ours["TMPDIR"] = tempfile.gettempdir()  # what we checked is what pip uses
    except OSError:
        pass
    return ours


def start(command, home, seconds=None, output=None):
    """Run a command to its end; (exit status, its stdout, its stderr). Raises OSError, subprocess.TimeoutExpired.

    `output`: subprocess.PIPE to get what it prints; else both go to our stderr. A signal to us ends the child first.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output if output is not None else sys.stderr.fileno(),
        stderr=output,
        env=environment(home),
        cwd=home,
    )
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except BaseException:
        process.terminate()
        try:
            process.communicate(timeout=5)
        except BaseException:
            process.kill()
            process.communicate()
        raise
    return process.returncode, (stdout or b"").decode("utf-8", "replace"), (stderr or b"").decode("utf-8", "replace")


def probe(command):
    """What an interpreter says of itself, or None where it is none (or older than 3.4, or does not run)."""
    try:
        status, stdout, _ = start(command + ["-I", "-c", PROBE], ROOT, PROBE_SECONDS, subprocess.PIPE)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    said = [line for line in stdout.splitlines() if line.startswith("WHEELHOUSE{")]
    if status != 0 or not said:
        return None
    try:
        facts = json.loads(said[-1][len("WHEELHOUSE") :])
        for name in ("executable", "base"):
            facts[name] = os.fsdecode(bytes.fromhex(facts[name]))
        facts["site"] = [os.fsdecode(bytes.fromhex(path)) for path in facts["site"]]
    except (ValueError, KeyError, TypeError):
        return None
    return facts


def probe_base(command):
    """The same of the interpreter under a virtual environment: a new one must not depend on another one's folder."""
    facts = probe(command)
    if facts is not None and facts["base"] != facts["executable"]:
        return probe([facts["base"]]) or facts
    return facts


def judge_python(facts, target):
    """Findings on an interpreter (what `probe` gives) for a target of MANIFEST.json; a pure function."""
    findings = []
    python = "`%s`" % facts["executable"]
    arch = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}.get(facts["machine"], facts["machine"])
    if (facts["os"], arch) != (target["os"], target["arch"]) or facts["bits"] != 64:
        what = "%s runs on %s %s (%d bit), but the wheels are for %s %s" % (
            python, facts["os"], arch, facts["bits"], target["os"], target["arch"],
        )  # fmt: skip
        hint = "install on a fitting machine, or lock for this one"
        if (facts["os"], arch) == (target["os"], target["arch"]):
            hint = "use a 64-bit Python: --python PYTHON"
        findings.append(Finding("machine", what, "compiled code runs on one kind of machine only", hint))
    if facts["implementation"] != "cpython":
        what = "%s is %s, but the wheels are for CPython" % (python, facts["implementation"])
        why = "compiled extension modules fit one implementation only"
        findings.append(Finding("implementation", what, why, "name a CPython: --python PYTHON"))
    version, wanted = tuple(facts["version"]), target["python"]
    if dotted(version[:2]) != wanted:
        what = "%s is Python %s, but the wheels are for Python %s" % (python, dotted(version), wanted)
        why = "a compiled wheel fits one minor version of Python only"
        hint = "install Python %s, or name one: --python /path/to/python%s" % (wanted, wanted)
        findings.append(Finding("python-version", what, why, hint))
    else:
        admitted = target.get("python-patches") or [[0, None]]
        if not any(first <= version[2] and (last is None or version[2] <= last) for first, last in admitted):
            what = "%s is Python %s, but the wheels need %s" % (python, dotted(version), target["requires-python"])
            why = "a project of the lock does not support this patch level"
            findings.append(Finding("requires-python", what, why, "use another patch level: --python PYTHON"))
    if facts["free_threaded"] != bool(target.get("free-threaded")):
        built, fitting = ("a free-threaded", "ordinary") if facts["free_threaded"] else ("an ordinary", "free-threaded")
        what = "%s is %s build, but the wheels are for the %s one" % (python, built, fitting)
        why = "the two have different binary interfaces"
        findings.append(Finding("abi", what, why, "name the other: --python PYTHON"))
    findings += judge_system(facts, target)
    if facts["missing"]:
        what = "%s lacks the standard library's %s" % (python, ", ".join("`%s`" % name for name in facts["missing"]))
        hint = "install the whole of Python (Debian, Ubuntu: python%s-venv), or name another: --python PYTHON" % wanted
        findings.append(Finding("python-modules", what, "the virtual environment and pip need it", hint))
    return findings


def judge_system(facts, target):
    """Findings on the C library or the macOS version; none where the operating system is another altogether."""
    libc = target.get("libc")
    if facts["os"] != target["os"]:
        return []
    if libc and target["os"] == "linux":
        name, needed = libc["name"], tuple(libc["version"])
        here = tuple(facts[name] or ())
        if not here:
            other = "musl" if name == "glibc" else "glibc"
            seen = "%s %s" % (other, dotted(facts[other])) if facts[other] else "another C library"
            what = "this system has %s, but the wheels are for %s %s" % (seen, name, dotted(needed))
            why = "compiled code is bound to its C library"
            return [Finding("glibc", what, why, "lock for this system's C library")]
        if here < needed:
            what = "this system has %s %s, but the wheels need %s %s or newer" % (
                name,
                dotted(here),
                name,
                dotted(needed),
            )
            hint = "lock again for this machine: --target ...-%s%s" % (name, dotted(here))
            return [Finding("glibc", what, "the loader refuses libraries that were built for a newer one", hint)]
    if target.get("macos") and facts["macos"] and tuple(facts["macos"]) != (10, 16):
        # 10.16 is what macOS 11 and later tell an old interpreter
        if tuple(facts["macos"]) < tuple(target["macos"]):
            here, needed = dotted(facts["macos"]), dotted(target["macos"])
            what = "this is macOS %s, but the wheels need %s or newer" % (here, needed)
            hint = "lock again for this machine: --target ...-macos%d" % facts["macos"][0]
            return [Finding("macos-version", what, "", hint)]
    return []


def candidates(target):
    """Commands that may be a fitting Python, likeliest first: the one that runs us, PATH, the usual places."""
    version = target["python"]
    exact = ["python" + version + "t", "python" + version] if target.get("free-threaded") else ["python" + version]
    yield [sys.executable]
    for name in exact + ["python3", "python"]:
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
            path = shutil.which(name, path=folder) if folder else None
            if path:
                yield [os.path.abspath(path)]
    if os.name == "nt":
        yield ["py", "-" + version]
        return
    home = os.environ.get("HOME") or "/nonexistent"
    folders = ["/usr/bin", "/usr/local/bin", "/opt/*/bin", "/opt/*/*/bin", "/opt/*/envs/*/bin"]
    folders += ["/opt/rh/*/roo[t]/usr/bin", "/opt/homebrew/bin", "/Library/Frameworks/Python.framework/Versions/*/bin"]
    own = [".local/bin", ".local/share/uv/python/*/bin", ".pyenv/versions/*/bin"]
    own += [kind + "/" + inner for kind in ("*conda3", "*forge3", "*mamba") for inner in ("bin", "envs/*/bin")]
    folders += [os.path.join(glob.escape(home), place) for place in own]
    for folder in folders:
        for name in exact:
            for path in sorted(glob.glob(os.path.join(folder, name)), reverse=True):
                yield [path]


def search(target):
    """(facts, findings) of the first interpreter that fits; else of the nearest, and all that were seen are named."""
    asked, seen, nearest = set(), {}, None
    for command in candidates(target):
        if tuple(command) in asked or not command[0]:
            continue
        asked.add(tuple(command))
        facts = probe_base(command)
        if facts is None or facts["executable"] in seen:
            continue
        findings = judge_python(facts, target)
        if not findings:
            return facts, []
        seen[facts["executable"]] = dotted(facts["version"])
        wrong_version = any(finding.rule == "python-version" for finding in findings)
        if nearest is None or (wrong_version, len(findings)) < nearest[0]:
            nearest = ((wrong_version, len(findings)), facts, findings)
    if nearest is None:
        what = "no Python runs here, not even `%s`" % sys.executable
        return None, [Finding("python", what, "", "name one: --python PYTHON")]
    _, facts, findings = nearest
    for place, finding in enumerate(findings):
        if finding.rule == "python-version":
            listed = ", ".join("`%s` (%s)" % item for item in sorted(seen.items()))
            what = "no Python %s was found; looked at %s" % (target["python"], listed)
            findings[place] = finding._replace(what=what)
    return facts, findings


def named_python(name):
    """`--python`: a path, a command on PATH, or a version; the command, or None where there is none.

    A version is written `3.10`, `310`, `py310`, `cp310` or `3.10.12`, and looked for in the usual places too.
    """
    path = os.path.expanduser(name)
    if os.sep in path or (os.altsep and os.altsep in path):
        return [os.path.abspath(path)] if os.path.isfile(path) else None
    found = shutil.which("python3" if name == "3" else name)
    if found:
        return [os.path.abspath(found)]
    said = re.match(r"(?:py|cp|cpython|python)?3\.?(\d+)(?:\.(\d+))?(t?)\Z", name.lower())
    if not said:
        return None
    wanted = [3] + [int(part) for part in said.groups()[:2] if part]
    for command in candidates({"python": dotted(wanted[:2]), "free-threaded": bool(said.group(3))}):
        facts = probe(command) if command[0] else None
        if facts and facts["version"][: len(wanted)] == wanted and facts["free_threaded"] == bool(said.group(3)):
            return command
    return None


def offering(findings, target):
    """Findings on a Python that a person named; where another one fits, it is named too."""
    if not any(finding.rule in ("abi", "implementation", "python-version", "requires-python") for finding in findings):
        return findings
    facts, against = search(target)
    if facts is None or against:
        return findings
    hint = "leave --python out, or name the one that fits: --python %s" % facts["executable"]
    return [finding._replace(hint=hint) if "--python" in finding.hint else finding for finding in findings]


def choose_python(options, target, venv):
    """(facts or None, findings): the existing virtual environment's own Python, else --python, else by `search`."""
    named = None
    if options.python is not None:
        command = named_python(options.python)
        named = probe_base(command) if command else None
        if named is None:
            what = "`%s` is no Python 3 that runs" % options.python if command else "there is no `%s`" % options.python
            return None, [Finding("python", what, "--python names it", "leave --python out, or name another")]
    if not is_venv(venv) and named:
        return named, offering(judge_python(named, target), target)
    if not is_venv(venv):
        return search(target)
    facts = probe([venv_python(venv)])
    if facts is None:
        what = "`%s` is a virtual environment whose Python does not run" % venv
        return None, [Finding("venv", what, "it is never replaced", "remove it, or take another folder: --venv DIR")]
    findings = judge_python(facts, target)
    findings = [finding for finding in findings if finding.rule != "python-modules" or "zlib" in facts["missing"]]
    if named and named["version"][:2] != facts["version"][:2]:
        what = "`%s` is there already with Python %s, but --python names Python %s" % (
            venv, dotted(facts["version"]), dotted(named["version"]),
        )  # fmt: skip
        hint = "leave --python out, or take another folder: --venv DIR"
        findings.append(Finding("venv", what, "an existing virtual environment is never replaced", hint))
    elif any(finding.rule == "python-version" for finding in findings):
        hint = "take another folder: --venv DIR"
        findings = [f._replace(hint=hint) if f.rule == "python-version" else f for f in findings]
    return facts, findings


# -- where -----------------------------------------------------------------------------------------


def is_venv(path):
    """Is there a virtual environment already?"""
    return os.path.isfile(os.path.join(path, "pyvenv.cfg"))


def venv_python(path):
    """Where a virtual environment's Python is."""
    if os.name == "nt":
        return os.path.join(path, "Scripts", "python.exe")
    return os.path.join(path, "bin", "python")


def existing_parent(path):
    """The nearest folder that exists: its file system will hold `path`."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def is_noexec(path):
    """Is the file system of a folder mounted so that nothing there can be run or loaded?"""
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0))


def check_venv(venv, chosen):
    """Findings on the folder of the virtual environment; `chosen`: a person named it with --venv."""
    hint = "take another folder: --venv DIR" if chosen else "change to a folder of yours, or name one: --venv DIR"
    never = "nothing that is there already is replaced"
    if os.pathsep in venv:
        what = "`%s` holds a `%s`" % (venv, os.pathsep)
        return [Finding("venv", what, "a virtual environment is put on PATH, where that separates folders", hint)]
    findings = []
    parent = existing_parent(venv)
    if parent == venv and not os.path.isdir(venv):
        return [Finding("venv", "`%s` is there already and is no folder" % venv, never, hint)]
    if not os.path.isdir(parent):
        return [Finding("venv", "`%s` cannot be made: `%s` is no folder" % (venv, parent), "", hint)]
    try:
        if parent == venv and not is_venv(venv) and os.listdir(venv):
            return [Finding("venv", "`%s` is not empty and is no virtual environment" % venv, never, hint)]
    except OSError as error:
        return [Finding("venv", "`%s` cannot be read: %s" % (venv, error.strerror or error), "", hint)]
    if not os.access(parent, os.W_OK | os.X_OK):
        what = "`%s` is not writable" % parent
        if parent != venv:
            what = "`%s` cannot be made: `%s` is not writable" % (venv, parent)
        findings.append(Finding("venv", what, "", hint))
    if is_noexec(parent):
        what = "the file system of `%s` is mounted noexec" % venv
        findings.append(Finding("noexec", what, "compiled modules there cannot be loaded", hint))
    return findings


def blocks(size):
    """Bytes on disk of a file of `size` bytes."""
    return -(-size // BLOCK) * BLOCK


def unpacked_members(folder, target, site):
    """Each wheel that will be unpacked, with its zip members (None: it cannot be read, which is a finding of its own).

    Not those that are installed in a `site` folder, whole: pip writes RECORD last.
    """
    for wheel in target["wheels"]:
        if not wheel.get("install", True):
            continue
        try:
            with zipfile.ZipFile(os.path.join(folder, *wheel["path"].split("/"))) as archive:
                members = archive.infolist()
        except (OSError, ValueError, zipfile.BadZipFile):
            yield wheel, None
            continue
        name = info_folder(members)
        if not any(os.path.isfile(os.path.join(path, name, "RECORD")) for path in site if name):
            yield wheel, members


def info_folder(members):
    """The name of the .dist-info folder among a wheel's members, "" where there is none."""
    tops = [member.filename.split("/")[0] for member in members]
    return ([name for name in tops if name.endswith(".dist-info")] + [""])[0]


def measure(folder, target, site):
    """(bytes that the wheels take unpacked, longest path in one); those already in a `site` folder are left out.

    Read from each wheel's own directory, in whole blocks of 4 KiB: the files, for each `.py` its size and a quarter for
    the `.pyc` that pip writes (measured on torch 2.13: 57 MB for 48 MB), and the folders with their `__pycache__`. A
    wheel that cannot be read counts as MANIFEST.json tells; it has its own finding.
    """
    total, longest = 0, 0
    for wheel, members in unpacked_members(folder, target, site):
        if members is None:
            total += wheel.get("installed-size") or 2 * (wheel.get("size") or 0)
            continue
        folders = set()
        for member in members:
            source = member.filename.endswith(".py")
            total += blocks(member.file_size) + (blocks(member.file_size * 5 // 4) if source else 0)
            longest = max(longest, len(member.filename))
            folder_of = os.path.dirname(member.filename)
            folders.update([folder_of, folder_of + "/__pycache__"] if source else [folder_of])
        total += BLOCK * len(folders)
    return total, longest


def judge_space(venv, needed, free):
    """Finding on the free space for the virtual environment; both in bytes. Pure."""
    if free >= needed:
        return []
    what = "installing needs %s in `%s`, but %s are free" % (amount(needed), venv, amount(free))
    why = "wheels are packed; this is what they take unpacked, with bytecode"
    return [Finding("space", what, why, "make room, or take a folder elsewhere: --venv DIR")]


def judge_files(venv, needed, free):
    """Finding on how many files the file system can still hold (`free`; None: it does not count them). Pure."""
    if free is None or free >= needed:
        return []
    what = "installing makes %d files and folders in `%s`, but the file system has room for %d" % (needed, venv, free)
    why = "its inodes are used up, or a quota is, whatever space is free"
    return [Finding("space", what, why, "remove files there, or take a folder elsewhere: --venv DIR")]


def count_files(folder, target, site):
    """How many files and folders the wheels make, with bytecode; those already in a `site` folder are left out."""
    count = 0
    for _, members in unpacked_members(folder, target, site):
        if members is None:
            continue
        names = [member.filename for member in members] + ["INSTALLER", "REQUESTED"]  # what pip adds
        folders = {os.path.dirname(name) for name in names}
        sources = [name for name in names if name.endswith(".py")]
        count += len(names) + len(sources) + len(folders) + len({os.path.dirname(name) for name in sources})
    return count


def free_files(path):
    """How many files a file system can still hold, None where it does not count them."""
    if not hasattr(os, "statvfs"):
        return None
    said = os.statvfs(path)
    return said.f_favail if said.f_files else None


def judge_tmp(folder, free):
    """Finding on the folder for temporary files; `free` in bytes. Pure."""
    if free >= TMP_BYTES:
        return []
    what = "`%s` has %s free, but %s are needed" % (folder, amount(free), amount(TMP_BYTES))
    hint = "make room, or take a folder elsewhere: TMPDIR=DIR sh install.sh"
    return [Finding("tmp-space", what, "pip keeps temporary files there", hint)]


def judge_tmp_noexec(folder, noexec):
    """Note on a folder for temporary files that is mounted noexec: installing does not mind. Pure."""
    if not noexec:
        return []
    what = "the file system of `%s` is mounted noexec" % folder
    why = "installing does not mind, but what compiles at run time (torch.compile, for one) cannot load it from there"
    return [Finding("noexec", what, why, "set TMPDIR to a folder elsewhere for such programs", "note")]


def judge_long_path(venv, longest, allowed):
    """Finding on Windows's limit of 259 characters a path, unless long paths are switched on. Pure."""
    needed = len(venv) + len("\\Lib\\site-packages\\") + longest
    if allowed or needed <= 259:
        return []
    what = "a file would get a path of %d characters under `%s`, but Windows allows 259" % (needed, venv)
    hint = "take a short folder, such as --venv C:\\venv, or switch on LongPathsEnabled"
    return [Finding("long-path", what, "", hint)]


def long_paths_allowed():
    """Has this Windows long paths switched on?"""
    try:
        import winreg

        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return winreg.QueryValueEx(key, "LongPathsEnabled")[0] == 1
    except (ImportError, OSError):
        return False


def check_space(venv, folder, target, site):
    """(findings on free space, TMPDIR and path lengths, one sentence on what is needed and free)."""
    findings, room = [], []
    unpacked, longest = measure(folder, target, site)
    parent = existing_parent(venv)
    if os.path.isdir(parent):
        needed, free = unpacked + (VENV_BYTES if unpacked else 0), shutil.disk_usage(parent).free
        findings += judge_space(venv, needed, free)
        if unpacked:
            files = count_files(folder, target, site) + VENV_FILES
            findings += judge_files(venv, files, free_files(parent))
        room.append("%s in `%s`, %s free" % (amount(needed), venv, amount(free)))
    try:
        tmp = tempfile.gettempdir()
    except OSError:
        what = "there is no folder for temporary files that can be written"
        hint = "name one: TMPDIR=DIR sh install.sh"
        findings.append(Finding("tmp-space", what, "pip keeps temporary files there", hint))
    else:
        free = shutil.disk_usage(tmp).free
        findings += judge_tmp(tmp, free) + judge_tmp_noexec(tmp, is_noexec(tmp))
        room.append("%s in `%s`, %s free" % (amount(TMP_BYTES), tmp, amount(free)))
    if os.name == "nt":
        findings += judge_long_path(venv, longest, long_paths_allowed())
    return findings, "needs " + "; ".join(room) if room else None


# -- what the server must have ---------------------------------------------------------------------
#
# `seen` is what probe.py printed (None where it could not be asked), `needs` what MANIFEST.json says of the target.


def needs_of(target):
    """What the bundle needs of the server; an empty dict in a bundle that does not say."""
    needs = target.get("needs")
    return needs if isinstance(needs, dict) else {}


def worth_asking(target):
    """Is there anything in the bundle for which the machine matters? Asking it takes a second or more."""
    needs = needs_of(target)
    return bool(target.get("driver") or any(needs.get(name) for name in ("cuda", "torch", "needs")))


def read_server(folder, sums, damaged):
    """(what the bundle's own probe.py says of this machine, findings); never fails. None where nothing was said.

    It is only run where its digest was found right: `damaged` holds the paths for which it was not.
    """
    if "probe.py" not in sums or "probe.py" in damaged:
        return None, []
    why = "so drivers, GPUs, libraries and programs were not all compared with what the wheels need"
    try:
        command = [sys.executable, "-I", os.path.join(folder, "probe.py"), "--json"]
        status, stdout, stderr = start(command, ROOT, PROBE_SECONDS, subprocess.PIPE)
        seen = json.loads(stdout)
        if not isinstance(seen, dict) or seen.get("probe") != 1:
            raise ValueError("it printed something else than it should")
        return whole_server(seen), []
    except subprocess.TimeoutExpired:
        ended = "it came to no end in %d seconds" % PROBE_SECONDS
    except OSError as error:
        ended = str(error)
    except ValueError:
        last = ([line for line in stderr.splitlines() if line.strip()] or ["it printed nothing that can be read"])[-1]
        ended = "exit status %d: %s" % (status, last)
    what = "`probe.py` could not look at this machine: %s" % ended
    return None, [Finding("probe", what, why, "look at it by hand: sh probe.sh", "warning")]


def whole_server(seen):
    """What probe.py said, with an empty value wherever it has nothing of the kind that is read here."""
    shapes = {"system": {}, "libc": {}, "nvidia": {}, "libraries": {}, "programs": {}, "shadows": []}
    for name, empty in shapes.items():
        if not isinstance(seen.get(name), type(empty)):
            seen[name] = empty
    for name in ("gpus", "devices", "problems"):
        if not isinstance(seen["nvidia"].get(name), list):
            seen["nvidia"][name] = []
    return seen


def spoken_server(seen):
    """The machine in one line: `Debian GNU/Linux 12 (bookworm), x86_64, glibc 2.36, driver 535.104.05, 2 x A100`."""
    system, libc, nvidia = seen["system"], seen["libc"], seen["nvidia"]
    parts = [system.get("distribution") or system.get("os") or "unknown", system.get("machine")]
    parts.append("in a container" if system.get("container") else None)
    parts.append("%s %s" % (libc["name"], libc.get("version")) if libc.get("name") else None)
    parts.append("driver %s" % nvidia["driver"] if nvidia.get("driver") else None)
    names = [str(gpu.get("name")) for gpu in nvidia["gpus"]]
    parts += ["%d x %s" % (names.count(name), name) for name in sorted(set(names))] or ["no NVIDIA GPU"]
    return ", ".join(part for part in parts if part)


def read_driver():
    """This machine's NVIDIA driver, such as `535.104.05`, or None where there is none to be seen."""
    pattern = r"\b\d{3,4}\.\d+(?:\.\d+)?\b"
    try:
        path = os.path.join(os.environ.get("WHEELHOUSE_PROC_ROOT", "/proc"), "driver", "nvidia", "version")
        with open(path, encoding="ascii", errors="replace") as file:
            found = re.search(pattern, file.readline())
        if found:
            return found.group(0)
    except OSError:
        pass
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        status, stdout, _ = start(command, ROOT, PROBE_SECONDS, subprocess.PIPE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, stdout)
    return found.group(0) if status == 0 and found else None


def label_here(target, seen):
    """The target label that the probe proposes for this machine, with the Python that the wheels are for. Pure.

    None where it proposes none for CUDA.
    """
    label = seen.get("label") or ""
    if not re.search(r"-cu\d+-", label):
        return None
    python = "py" + target["python"].replace(".", "") + ("t" if target.get("free-threaded") else "")
    return re.sub(r"-py\d+t?(?=-|$)", "-" + python, label)


def judge_driver(target, here, runs=None, gpus=(), label=None):
    """Findings on the NVIDIA driver `here` (None: not seen). Pure.

    `runs` is the newest CUDA that libcuda says it can run, `gpus` the names of the GPUs, `label` a target that fits
    this machine. Below the floor of the wheels' CUDA nothing starts on the GPU. Above it, a driver that is older than
    the one that the target names still starts, by CUDA's minor version compatibility. Where NVIDIA's forward
    compatibility package is in use (on data-center GPUs only), `runs` is newer than the driver.
    """
    needs, named = needs_of(target), target.get("driver")
    floor, cuda = needs.get("driver"), needs.get("cuda")
    if here is None:
        if named is None:
            return []
        what = "this machine's NVIDIA driver cannot be seen, but the wheels were chosen for %s" % named
        why = "an older driver cannot run them on the GPU"
        return [Finding("driver", what, why, "ask nvidia-smi on the machine", "warning")]
    again = "or lock again for this one: --target %s" % (label or "...-driver%s" % here)
    if floor and not reaches(here, floor):
        if runs and cuda and numbers(runs)[0] >= numbers(cuda)[0]:
            what = "the NVIDIA driver is %s, but libcuda runs CUDA %s" % (here, runs)
            return [Finding("driver", what, "NVIDIA's forward compatibility package is in use", "", "note")]
        what = "the NVIDIA driver is %s, but CUDA %s needs %s or newer" % (here, cuda or "of the wheels", floor)
        hint = "update the driver to %s or newer, %s" % (floor, again)
        compat = needs.get("compat-driver")
        if compat and cuda and reaches(here, compat) and not re.search("GeForce|TITAN|Quadro", " ".join(gpus)):
            package = "cuda-compat-" + "-".join(cuda.split(".")[:2])
            hint += "\non a data-center GPU `%s` of NVIDIA may do: unpacked, its folder in LD_LIBRARY_PATH" % package
        said = "`torch.cuda.is_available()` is False" if needs.get("torch") else "`CUDA driver version is insufficient`"
        return [Finding("driver", what, "CUDA does not start on it: " + said, hint)]
    if named and not reaches(here, named):
        what = "the NVIDIA driver is %s, but the wheels were chosen for %s or newer" % (here, named)
        if not floor:
            why = "an older driver cannot run them on the GPU"
            return [Finding("driver", what, why, "update the driver, " + again)]
        why = "CUDA %s starts on it (%s is enough), but what is newer than the driver does not run" % (cuda, floor)
        return [Finding("driver", what, why, "update the driver, " + again, "warning")]
    return []


def kernels(capability, capabilities, ptx):
    """How a GPU of this compute capability runs a build: `compiled`, `ptx` (compiled on first use), or None. Pure.

    A cubin runs on GPUs of the same major and the same or a newer minor; PTX is compiled for any that is as new.
    """
    here = numbers(capability)
    for each in capabilities:
        built = numbers(each)
        if built[:1] == here[:1] and built[1:] <= here[1:]:
            return "compiled"
    return "ptx" if ptx and numbers(ptx) <= here else None


def judge_gpus(target, gpus, runs, label=None):
    """Findings on the GPUs: has the build kernels for them? `runs` and `label` as in `judge_driver`. Pure."""
    needs = needs_of(target)
    capabilities, ptx, cuda = needs.get("capabilities"), needs.get("ptx"), needs.get("cuda")
    known = [(gpu["compute_capability"], gpu.get("name") or "GPU") for gpu in gpus if gpu.get("compute_capability")]
    if not capabilities or not cuda:
        return []
    build = "torch " + needs["torch"] if needs.get("torch") else "CUDA %s of the wheels" % cuda
    findings = []
    how = {capability: kernels(capability, capabilities, ptx) for capability, _ in known}
    for capability, name in sorted(set(known)):
        count = known.count((capability, name))
        gpu = "`%s` (compute capability %s)" % (name, capability)
        if count > 1:
            gpu = "%d GPUs %s" % (count, gpu)
        again = "lock again for this GPU: --target %s" % (label or "...-sm%s" % capability.replace(".", ""))
        if how[capability] is None or (how[capability] == "ptx" and runs and numbers(runs) < numbers(cuda)):
            what = "`%s` has no kernels for %s" % (build, gpu)
            why = "`no kernel image is available for execution on the device`, although CUDA starts"
            if how[capability] == "ptx":
                why = "it would have to be compiled from PTX, which needs a driver for CUDA %s; this one is for %s" % (
                    cuda, runs,
                )  # fmt: skip
            severity = "error"
            if any(other == "compiled" for other in how.values()):
                severity, again = "warning", "choose the others: CUDA_VISIBLE_DEVICES\n" + again
            findings.append(Finding("gpu", what, why, again, severity))
        elif how[capability] == "ptx":
            what = "`%s` has no compiled kernels for %s, only PTX" % (build, gpu)
            why = "the first start takes minutes, and the driver must be one for CUDA %s or newer" % cuda
            findings.append(Finding("gpu", what, why, again, "warning"))
    return findings


def judge_presence(target, seen):
    """Finding where the wheels are for CUDA and no NVIDIA device is there. Pure."""
    needs, nvidia = needs_of(target), seen["nvidia"]
    if not needs.get("cuda") or nvidia["gpus"] or nvidia["devices"] or target.get("os") == "macos":
        return []
    what = "no NVIDIA GPU is seen on this machine, but the wheels are for CUDA %s" % needs["cuda"]
    why = "they install and run on the CPU alone: `torch.cuda.is_available()` is False"
    hint = "install where the GPU is, or have the driver loaded: nvidia-smi"
    if seen["system"].get("container"):
        hint = "start the container with its GPUs: docker run --gpus all ..."
    return [Finding("gpu", what, why, hint, "warning")]


def judge_problems(target, seen):
    """Finding on what keeps CUDA from starting although a driver or a GPU is there, as the probe saw it. Pure.

    A driver that was updated and not loaded again, no device node in a container, no libcuda. Left out is what concerns
    the label that the probe proposes, and an nvidia-smi that is missing, which CUDA does not need.
    """
    harmless = r"no channel |the compute capability of |driver \S+ is (too old |loaded, but `nvidia-smi` was not found)"
    problems = [str(each) for each in seen["nvidia"]["problems"] if not re.match(harmless, str(each))]
    if not needs_of(target).get("cuda") or not problems:
        return []
    why = "CUDA may not start: the wheels then run on the CPU alone"
    hint = "have `nvidia-smi` list the GPU on this machine first, and check again"
    return [Finding("gpu", "; ".join(problem.rstrip(".") for problem in problems), why, hint, "warning")]


def judge_needs(target, libraries, programs):
    """Findings on libraries and programs that the wheels need and do not bring. Pure.

    Both as the probe gives them: name to path, None where it is missing; a name that it does not know is not judged.
    """
    findings = []
    for need in needs_of(target).get("needs") or []:
        known = libraries if need["kind"] == "library" else programs
        if any(known.get(name) for name in need["names"]) or not all(name in known for name in need["names"]):
            continue
        missing = "`%s` is missing" % need["names"][0]
        if len(need["names"]) > 1:
            missing = "none of %s is here" % listed(need["names"])
        what = "%s, and `%s` needs it" % (missing, need["needed-by"])
        findings.append(Finding(need["rule"], what, need.get("why") or "", need.get("way-out") or "", need["severity"]))
    return findings


def shipped_libraries(folder, target):
    """The file names of shared libraries with a version (`libcublas.so.12`) in the wheels of the bundle."""
    names = set()
    for wheel in target["wheels"]:
        try:
            with zipfile.ZipFile(os.path.join(folder, *wheel["path"].split("/"))) as archive:
                members = archive.namelist()
        except (OSError, ValueError, zipfile.BadZipFile):
            continue  # it has its own finding
        names.update(name.rpartition("/")[2] for name in members if re.search(r"\.so\.\d", name))
    return names


def lacks_symbols(path, cuda):
    """Is a libnvJitLink surely older than the wheels' CUDA (`12.1`)? It exports `__nvJitLinkAddData_12_1` from 12.1 on.

    The name is looked for in the file's bytes; where the file cannot be read, the answer is False.
    """
    wanted = b"__nvJitLinkAddData_" + "_".join(cuda.split(".")[:2]).encode("ascii") + b"\0"
    older = b"__nvJitLinkAddData_"
    before, any_version = b"", False
    try:
        with open(path, "rb") as file:
            while True:
                chunk = file.read(CHUNK)
                if not chunk:
                    return any_version
                joined = before + chunk
                if wanted in joined:
                    return False
                any_version = any_version or older in joined
                before = joined[-len(wanted) :]
    except OSError:
        return False


def judge_shadows(target, shadows, shipped, older):
    """Findings on CUDA libraries that LD_LIBRARY_PATH puts before the wheels' own. Pure.

    The libraries of the `nvidia-*` wheels look for each other by RUNPATH, which comes after LD_LIBRARY_PATH; what the
    machine's ld.so.cache has comes after both. `shipped`: the libraries in the wheels; `older`: paths of a libnvJitLink
    that is too old for them.
    """
    needs = needs_of(target)
    if not needs.get("cuda"):
        return []
    hint = "unset LD_LIBRARY_PATH"
    ours = [each for each in shadows if each.get("by") == "LD_LIBRARY_PATH" and each.get("library") in shipped]
    findings = []
    for path in sorted({each["path"] for each in ours if each["path"] in older}):
        what = "LD_LIBRARY_PATH puts `%s` before the wheels' own, and it is older than CUDA %s" % (path, needs["cuda"])
        why = "`import torch` fails: undefined symbol __nvJitLinkAddData_%s" % needs["cuda"].replace(".", "_")
        findings.append(Finding("nvjitlink", what, why, hint))
    rest = [each for each in ours if each["path"] not in older]
    folders = sorted({os.path.dirname(each["path"]) for each in rest})
    if rest:
        names = sorted({each["library"] for each in rest})
        count = len(names) - 3
        some = listed(names) if count <= 1 else "%s and %d more" % (", ".join("`%s`" % n for n in names[:3]), count)
        what = "LD_LIBRARY_PATH puts %s of %s before the wheels' own" % (some, listed(folders))
        why = "two versions of CUDA's libraries in one process fail in odd ways (undefined symbol, version mismatch)"
        findings.append(Finding("library-path", what, why, hint, "warning"))
    return findings


def judge_surroundings(target, seen, variables):
    """Findings on what surrounds the virtual environment: containers, SELinux, variables of Python. Pure."""
    findings = []
    release = seen["system"].get("ngc") if seen else None
    if release and needs_of(target).get("torch"):
        what = "this is an NGC container (%s), which has a torch of its own" % release
        why = "what NVIDIA built for its own torch does not fit torch %s of the bundle" % needs_of(target)["torch"]
        hint = "use the container's own torch, or a plain CUDA or Python image for this bundle"
        findings.append(Finding("ngc", what, why, hint, "warning"))
    if seen and seen.get("selinux") == "enforcing":
        why = "it may keep services from loading libraries out of home folders and /tmp"
        hint = "if a library is refused: restorecon -R on the virtual environment, or install below /opt"
        findings.append(Finding("selinux", "SELinux is enforcing here", why, hint, "note"))
    if variables.get("PYTHONPATH"):
        what = "PYTHONPATH is set: `%s`" % variables["PYTHONPATH"]
        why = "installing does not mind, but what lies there is imported before what is installed"
        findings.append(Finding("environment", what, why, "unset PYTHONPATH", "note"))
    if variables.get("PYTHONHOME"):
        what = "PYTHONHOME is set: `%s`" % variables["PYTHONHOME"]
        why = "installing does not mind, but the virtual environment's Python does not start with it"
        findings.append(Finding("environment", what, why, "unset PYTHONHOME", "note"))
    return findings


def check_server(target, folder, seen):
    """Findings on this machine against what the bundle needs; `seen` as `read_server` gives it."""
    findings = []
    if seen is None:
        named = target.get("driver") or needs_of(target).get("driver")
        findings += judge_driver(target, read_driver() if named else None)
    else:
        nvidia, shadows = seen["nvidia"], [each for each in seen["shadows"] if isinstance(each, dict)]
        names = [str(gpu.get("name")) for gpu in nvidia["gpus"]]
        label = label_here(target, seen)
        driver = judge_driver(target, nvidia.get("driver"), nvidia.get("cuda"), names, label)
        absent = judge_presence(target, seen)
        if not nvidia.get("driver") and absent:
            driver = []  # that there is no GPU says more than that its driver is not seen
        findings += driver + judge_gpus(target, nvidia["gpus"], nvidia.get("cuda"), label)
        troubles = judge_problems(target, seen)
        findings += troubles or ([] if driver else absent)  # what is wrong with a GPU says more than that none is seen
        findings += judge_needs(target, seen["libraries"], seen["programs"])
        cuda = needs_of(target).get("cuda")
        if cuda and shadows:
            links = [each["path"] for each in shadows if str(each.get("library")).startswith("libnvJitLink.")]
            older = {path for path in links if lacks_symbols(path, cuda)}
            findings += judge_shadows(target, shadows, shipped_libraries(folder, target), older)
    return findings + judge_surroundings(target, seen, os.environ)


# -- install ---------------------------------------------------------------------------------------


def pip(python, folder, target, home, arguments, output=None):
    """Run the bundle's own pip, straight from its wheel, under an interpreter."""
    wheel = os.path.join(folder, *target["installer"].split("/"))
    command = [python, "-I", os.path.join(wheel, "pip"), "--isolated", "--disable-pip-version-check", "--no-input"]
    return start(command + arguments, home, None, output)


def make_venv(facts, venv):
    """Make the virtual environment, without pip; True if that went well."""
    say("making the virtual environment `%s` with Python %s" % (venv, dotted(facts["version"])))
    parent = os.path.dirname(venv)
    if not os.path.isdir(parent):
        os.makedirs(parent)
    status, _, _ = start([facts["executable"], "-I", "-m", "venv", "--without-pip", venv], parent)
    return status == 0


def clear_halves(folder, target, site):
    """Remove the .dist-info folders, of this bundle's wheels, that an installation left when it was killed.

    pip writes RECORD last; without it the project is not whole, but pip takes it for installed.
    """
    for _, members in unpacked_members(folder, target, site):
        name = info_folder(members or ())
        for half in [os.path.join(path, name) for path in site if name]:
            if os.path.isdir(half) and not os.path.islink(half):
                say("`%s` is half installed, from a run that was killed; it is installed again" % name)
                shutil.rmtree(half, ignore_errors=True)


def install_wheels(python, folder, target, venv):
    """Install everything that requirements.txt names; True if that went well."""
    installed = os.path.join(folder, *target["requirements"].split("/"))
    links = os.path.join(folder, *target["installer"].split("/")[:-1])
    arguments = ["install", "--no-index", "--no-deps", "--require-hashes", "--no-cache-dir"]
    arguments += ["--no-warn-script-location", "--find-links", links, "-r", installed]
    status, _, _ = pip(python, folder, target, venv, arguments)
    if status != 0:
        say("error[pip]: pip could not install the wheels, exit status %d; it says why above" % status)
    return status == 0


def check_pip(python, folder, target, venv):
    """What `pip check` complains about, one string each."""
    status, stdout, stderr = pip(python, folder, target, venv, ["check"], subprocess.PIPE)
    if status == 0:
        return []
    return [line for line in (stdout + stderr).splitlines() if line.strip()] or ["exit status %d" % status]


def normalized(name):
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def module_names(paths):
    """What to import of a distribution, from the paths of its RECORD; a pure function.

    Top-level modules and packages; of a namespace package the nearest regular packages in it. Private names only if
    there is nothing else, and never the folders that projects leave in by mistake (tests, docs ...).
    """
    modules, packages = set(), set()
    for path in paths:
        parts = path.replace("\\", "/").split("/")
        name = parts[-1].split(".")[0]
        importable = all(part.isidentifier() for part in parts[:-1] + [name])
        if not importable or not parts[-1].endswith((".py", ".so", ".pyd")):
            continue
        if name == "__init__":
            packages.add(tuple(parts[:-1]))
        elif len(parts) == 1:
            modules.add((name,))
    roots = {name for name in packages if not any(name[:end] in packages for end in range(1, len(name)))}
    names = sorted(".".join(name) for name in modules | roots if name)
    left_in = ("test", "tests", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "conftest", "setup")
    public = [name for name in names if not name.startswith("_") and name.split(".")[0] not in left_in]
    return public or [name for name in names if not name.startswith("__") and name.split(".")[0] not in left_in]


def installed_paths(site, project):
    """The paths in the RECORD of an installed project, or None where it is not installed."""
    for folder in site:
        for info in sorted(glob.glob(os.path.join(glob.escape(folder), "*.dist-info"))):
            if normalized(os.path.basename(info)[: -len(".dist-info")].split("-")[0]) != normalized(project):
                continue
            try:
                with open(os.path.join(info, "RECORD"), encoding="utf-8", newline="") as file:
                    return [row[0] for row in csv.reader(file) if row]
            except (OSError, ValueError, csv.Error):
                return []
    return None


def last_words(text):
    """What a program that failed said: its last exception, with the first one where that led to it; else its last line.

    An exception's text may have many lines (numpy's has six), of which the last says nothing by itself.
    """
    raised = [
        line for line in text.splitlines() if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)(:|\Z)", line)
    ]
    if not raised:
        return ([line for line in text.splitlines() if line.strip()] or [""])[-1].strip()
    if raised[0] == raised[-1]:
        return raised[-1]
    return "%s (it began with %s)" % (raised[-1], raised[0])


def check_imports(facts, target, venv):
    """Import each top-level module of the projects asked for, each in its own process; what failed, one string each."""
    seconds = float(os.environ.get("WHEELHOUSE_IMPORT_TIMEOUT") or IMPORT_SECONDS)
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    failures, tried = [], set()
    for project in target["projects"]:
        paths = installed_paths(facts["site"], project)
        if paths is None:
            failures.append("%s: is not installed" % project)
        names = module_names(paths or [])
        # The project's namesake first: nvfuser (torch 2.1.2) finds its libraries only where torch has loaded them.
        first = [name for name in names if normalized(name) == normalized(project)]
        for name in names:
            if name in tried:  # every nvidia-* project brings `nvidia/__init__.py`
                continue
            tried.add(name)
            say("importing %s" % name)
            try:
                command = [venv_python(venv), "-I", "-c", code] + [other for other in first if other != name] + [name]
                status, stdout, stderr = start(command, venv, seconds, subprocess.PIPE)
            except subprocess.TimeoutExpired:
                failures.append("import %s: no end after %g seconds" % (name, seconds))
                continue
            if status != 0:
                last = last_words(stderr or stdout)
                ended = "ended by signal %d" % -status if status < 0 else "exit status %d" % status
                failures.append("import %s: %s" % (name, last or ended))
    return failures


def remove(path, keep):
    """Remove what we made, as far as it goes; with `keep` only what is in the folder. True if nothing is left."""
    for name in os.listdir(path) if keep else []:
        inner = os.path.join(path, name)
        if os.path.isdir(inner) and not os.path.islink(inner):
            shutil.rmtree(inner, ignore_errors=True)
        else:
            os.remove(inner)
    if not keep:
        shutil.rmtree(path, ignore_errors=True)
    return not (os.listdir(path) if keep else os.path.lexists(path))


def install(facts, folder, target, venv, seen, foretold=False):
    """Make or use the virtual environment, install, try it; the exit code. What we made is removed unless whole.

    `foretold`: the checks have warned that CUDA will not start.
    """
    new, keep, whole = not is_venv(venv), os.path.isdir(venv), False
    made = venv  # the topmost folder that was not there before
    while not os.path.lexists(os.path.dirname(made)):
        made = os.path.dirname(made)
    try:
        if new and not make_venv(facts, venv):
            say("error[venv]: the virtual environment could not be made; Python says why above")
            return 1
        inside = probe([venv_python(venv)])
        if inside is None:
            say("error[venv]: the Python of the new virtual environment does not run")
            return 1
        clear_halves(folder, target, inside["site"])
        whole = install_wheels(venv_python(venv), folder, target, venv)
        if not whole:
            return 1
    except OSError as error:
        say("error[venv]: %s" % error)
        return 1
    finally:
        if not whole:
            ignore_signals()
        if not whole and not new:
            say("`%s` was there before and was not removed; it may hold a part of the wheels" % venv)
        elif not whole and os.path.lexists(made):
            if remove(made, keep):
                say("`%s` was %s again, nothing is changed" % (made, "emptied" if keep else "removed"))
            else:
                say("  hint: remove what is left of `%s`" % made)
    try:
        failures = ["pip check: " + line for line in check_pip(venv_python(venv), folder, target, venv)]
        failures += check_imports(inside, target, venv)
        found = []
        if needs_of(target).get("torch") and not any(failure.startswith("import torch: ") for failure in failures):
            found = smoke_test(target, venv, seen, foretold)
    except Interrupted:
        say("everything is installed in `%s` and stays there, but was not tried to its end" % venv)
        raise
    sys.stdout.buffer.write(os.fsencode(venv_python(venv)) + b"\n")
    sys.stdout.buffer.flush()
    for finding in found:
        tell(finding)
    if not failures and not any(finding.severity == "error" for finding in found):
        say("installed %s into `%s`" % (", ".join(target["projects"]), venv))
        return 0
    for failure in failures:
        say("error[installed]: %s" % failure)
    say("  hint: everything is installed in `%s` and stays there, but does not work as it should" % venv)
    return 3


# -- smoke test ------------------------------------------------------------------------------------

# Runs in the virtual environment, one line for each thing found out: what it told before it died is kept.
SMOKE = r"""
import json, os, sys, warnings

def tell(**facts):
    sys.stdout.write("WHEELHOUSE" + json.dumps(facts) + "\n")
    sys.stdout.flush()

warnings.simplefilter("ignore")
tell(step="importing torch")
import torch
tell(step="starting CUDA", version=str(torch.__version__), cuda=torch.version.cuda,
     hip=getattr(torch.version, "hip", None), visible=os.environ.get("CUDA_VISIBLE_DEVICES"))
available = bool(torch.cuda.is_available())
reason = ""
if not available:
    try:
        torch.cuda.init()
    except BaseException as error:
        reason = " ".join(str(error).split())
tell(step="listing the GPUs", available=available, reason=reason)
if available:
    built = [str(name) for name in torch.cuda.get_arch_list()]
    count = torch.cuda.device_count()
    tell(step="multiplying on the CPU", built=built, count=count)
    torch.manual_seed(0)
    left, right = torch.rand(256, 256), torch.rand(256, 256)
    expected = left @ right
    for number in range(count):
        tell(step="multiplying on GPU %d" % number)
        wrong = ""
        try:
            device = "cuda:%d" % number
            found = (left.to(device) @ right.to(device)).cpu()
            if not torch.allclose(found, expected, rtol=0.01, atol=0.01):
                wrong = "its answer is not the CPU's"
        except Exception as error:
            wrong = (str(error).splitlines() or [type(error).__name__])[0]
        name, capability = torch.cuda.get_device_name(number), torch.cuda.get_device_capability(number)
        tell(gpu=dict(number=number, name=name, capability="%d.%d" % tuple(capability), wrong=wrong))
tell(step="")
"""


def ask_torch(venv, seconds):
    """What the installed torch says of itself: (facts, how the child ended in words or None where it ended well)."""
    try:
        status, stdout, stderr = start([venv_python(venv), "-I", "-c", SMOKE], venv, seconds, subprocess.PIPE)
    except subprocess.TimeoutExpired:
        return {}, "no end after %g seconds" % seconds
    facts = {"gpus": []}
    for line in stdout.splitlines():
        if line.startswith("WHEELHOUSE{"):
            told = json.loads(line[len("WHEELHOUSE") :])
            facts["gpus"] += [told.pop("gpu")] if "gpu" in told else []
            facts.update(told)
    if status == 0:
        return facts, None
    last = last_words(stderr or stdout)
    ended = "ended by signal %d" % -status if status < 0 else last or "exit status %d" % status
    return facts, ended + (", while %s" % facts["step"] if facts.get("step") else "")


def why_no_cuda(facts, target, seen):
    """(why CUDA does not start, what to do about it), from torch's own words and what is seen of the machine. Pure."""
    needs, nvidia = needs_of(target), seen["nvidia"]
    driver, devices, reason = nvidia.get("driver"), nvidia["devices"], facts.get("reason") or ""
    floor = needs.get("driver")
    container = seen["system"].get("container")
    gpus_hint = "start the container with its GPUs: docker run --gpus all ..."
    if facts.get("hip") is None and facts.get("cuda") is None:
        return "this torch is a CPU build", "lock for the server's CUDA: --target ...-cu121-..."
    if "too old" in reason:
        found = re.search(r"found version (\d+)", reason)
        runs = int(found.group(1)) if found else 0
        limit = ", it runs CUDA up to %d.%d" % (runs // 1000, runs % 1000 // 10) if runs else ""
        hint = "update the driver%s" % (" to %s or newer" % floor if floor else "")
        return "the NVIDIA driver%s is too old%s" % (" " + driver if driver else "", limit), (
            hint + (", or lock again for this one: --target ...-driver%s" % driver if driver else "")
        )
    if not devices and not nvidia["gpus"] and driver:
        if container:
            return "the NVIDIA driver %s is loaded, but this container was given no GPU" % driver, gpus_hint
        what = "the NVIDIA driver %s is loaded, but there is no device node `/dev/nvidia0`" % driver
        return what, "make them: nvidia-modprobe -u -c=0, or run nvidia-smi once as root"
    if "no NVIDIA driver" in reason and not devices:
        if container:
            return "this container sees no NVIDIA driver", gpus_hint
        return "no NVIDIA driver is loaded on this machine", "have the driver installed%s, then: nvidia-smi" % (
            " (%s or newer)" % floor if floor else ""
        )
    if "no NVIDIA driver" in reason:
        what = "there are NVIDIA devices, but `libcuda.so.1` of the driver is not found"
        return what, "have the driver's libraries installed (container: --gpus all, NVIDIA_DRIVER_CAPABILITIES=all)"
    if facts.get("visible") is not None and "No CUDA GPUs" in reason:
        value = "`%s`" % facts["visible"] if facts["visible"] else "empty"
        return "CUDA_VISIBLE_DEVICES is %s, which hides the GPUs" % value, "unset CUDA_VISIBLE_DEVICES"
    known = (
        ("803|driver / cuda driver combination|unsupported display driver",
         "the driver's kernel module and its libraries are of two versions",
         "reboot, or reload the nvidia modules (after an update of the driver both must be of one version)"),
        ("804|forward compatibility was attempted",
         "NVIDIA's forward compatibility package is in use, but this GPU is none that it serves",
         "take its folder out of LD_LIBRARY_PATH, and have the driver updated"),
        ("802|not yet initialized",
         "the NVSwitch fabric of this machine is not started",
         "systemctl start nvidia-fabricmanager (of the driver's own version)"),
        ("No CUDA GPUs|initialization failed|might not have a CUDA gpu", "CUDA finds no GPU", "ask nvidia-smi"),
    )  # fmt: skip
    for pattern, what, hint in known:
        if re.search(r"(?<!\d)(%s)(?!\d)" % pattern, reason):
            return what, hint
    return "torch gives the reason below" if reason else "torch gives no reason", "ask nvidia-smi"


def judge_smoke(facts, ended, target, seen):
    """(lines that tell what works, findings on what does not) of what `ask_torch` gave. Pure."""
    needs, cuda = needs_of(target), facts.get("cuda")
    lines, findings = [], []
    stays = "everything is installed and stays there"
    if "version" in facts:
        build = "built for CUDA %s" % cuda if cuda else "built for ROCm %s" % facts["hip"] if facts.get("hip") else (
            "built without CUDA"
        )  # fmt: skip
        lines.append("torch %s, %s" % (facts["version"], build))
        if cuda != needs.get("cuda"):
            wanted = "for CUDA %s" % needs["cuda"] if needs.get("cuda") else "without CUDA"
            what = "the installed torch %s is %s, but the target needs one built %s" % (facts["version"], build, wanted)
            findings.append(Finding("torch", what, stays, "lock again, and look at where torch comes from"))
    if ended is not None:
        findings.append(Finding("torch", "trying torch: %s" % ended, stays, ""))
    if facts.get("available"):
        built = [name for name in facts.get("built") or [] if name.startswith(("sm_", "compute_"))]
        split = {kind: [_capability(n) for n in built if n.startswith(kind)] for kind in ("sm_", "compute_")}
        ptx = max(split["compute_"], key=numbers) if split["compute_"] else None
        for gpu in facts["gpus"]:
            name = "GPU %d, `%s` (compute capability %s)" % (gpu["number"], gpu["name"], gpu["capability"])
            fits = not built or kernels(gpu["capability"], split["sm_"], ptx)
            if gpu["wrong"] or not fits:
                what = "%s: a matmul fails: %s" % (name, gpu["wrong"]) if gpu["wrong"] else (
                    "%s: torch has no kernels for it" % name
                )  # fmt: skip
                why = "" if fits else "torch has kernels for %s" % ", ".join(built)
                hint = "" if fits else "lock again for this GPU: --target ...-sm%s" % gpu["capability"].replace(".", "")
                findings.append(Finding("gpu", what, why, hint or "ask nvidia-smi", "error"))
            else:
                lines.append("%s: a matmul gives the CPU's answer" % name)
    elif "available" in facts and needs.get("cuda") and cuda == needs["cuda"]:
        why, hint = why_no_cuda(facts, target, seen)
        expected = target.get("driver") or target.get("gpu") or seen["nvidia"]["devices"] or seen["nvidia"]["gpus"]
        said = "torch says: %s" % facts["reason"] if facts.get("reason") else ""
        what = "`torch.cuda.is_available()` is False: %s" % why
        findings.append(Finding("cuda", what, said, hint, "error" if expected else "warning"))
    return lines, findings


def _capability(name):
    """sm_86 as 8.6, compute_120 as 12.0."""
    digits = re.search(r"\d+", name).group(0)
    return "%s.%s" % (digits[:-1], digits[-1])


def smoke_test(target, venv, seen, foretold=False):
    """Try the installed torch, in a process of its own; the findings. What works is told at once, and so is what the
    checks have warned of (`foretold`), which is no second warning.
    """
    seconds = float(os.environ.get("WHEELHOUSE_IMPORT_TIMEOUT") or IMPORT_SECONDS)
    say("trying torch")
    if seen is None:
        devices = sorted(glob.glob("/dev/nvidia[0-9]*"))
        seen = whole_server({"nvidia": {"driver": read_driver(), "devices": devices}})
    facts, ended = ask_torch(venv, seconds)
    lines, findings = judge_smoke(facts, ended, target, seen)
    for line in lines:
        say(line)
    known = [each for each in findings if foretold and (each.rule, each.severity) == ("cuda", "warning")]
    for finding in known:
        say("CUDA does not start, as the checks said: %s" % finding.what.partition(": ")[2])
    return [each for each in findings if each not in known]


# -- the program -----------------------------------------------------------------------------------


def parse(argv):
    """The command line as Options; exits with 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="install.sh",
        description="Check this bundle and this machine, then install the wheels into a virtual environment. "
        "No network is used.",
        epilog="exit codes: 0 installed; 1 refused, nothing changed; 2 wrong usage; 3 installed, but an import, "
        "`pip check` or the smoke test failed; 4 with --check: nothing stands in the way, but there are warnings. "
        "Rules that can be accepted: " + ", ".join(ACCEPTABLE),
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--python", metavar="PYTHON", help="a path, a command or a version; default: one that fits is looked for")
    add("--venv", metavar="DIR", help="made if it is not there; default: ./venv")
    add("--check", action="store_true", help="only check, change nothing")
    add("--accept", metavar="RULE", action="append", default=[], help="go on although this rule fails (repeatable)")
    given = parser.parse_args(argv)
    for rule in given.accept:
        if rule in UNACCEPTABLE:
            parser.error("`%s` can never be accepted" % rule)
        if rule not in ACCEPTABLE:
            near = difflib.get_close_matches(rule.lower().replace("_", "-"), ACCEPTABLE, 1)
            known = "did you mean `%s`?" % near[0] if near else "rules that can be accepted: " + ", ".join(ACCEPTABLE)
            parser.error("there is no rule `%s`; %s" % (rule, known))
    for name in ("venv", "python"):
        if getattr(given, name) == "":
            parser.error("--%s needs a value" % name)
    return Options(given.python, given.venv, given.check, frozenset(given.accept))


def check(options, folder):
    """Every check, as a Checked; its findings are of all severities. Nothing is changed."""
    findings, target, sums, facts, venv, seen, room = [], None, None, None, None, None, None
    try:
        sums = read_sums(folder)
    except Unreadable as error:
        findings.append(error.finding)
    try:
        target = read_manifest(folder)
    except Unreadable as error:
        findings.append(error.finding)
    damaged = {} if sums is None else check_files(folder, promises(target, sums))
    if target is not None:
        try:
            venv = os.path.abspath(os.path.expanduser(options.venv or "venv"))
        except OSError:
            why = "the virtual environment would be made there"
            findings.append(Finding("venv", "the current folder is gone", why, "change to another folder"))
        else:
            facts, judged = choose_python(options, target, venv)
            findings += judged + check_venv(venv, options.venv is not None)
            site = facts["site"] if facts and is_venv(venv) else []
            judged, room = check_space(venv, folder, target, site)
            findings += judged
        if options.check or worth_asking(target):
            seen, judged = read_server(folder, sums or {}, damaged)
            findings += judged
        findings += check_server(target, folder, seen)
        if sums is not None:
            try:
                with open(os.path.join(folder, *target["requirements"].split("/")), encoding="utf-8") as file:
                    requirements = file.read()
            except (OSError, ValueError):
                requirements = None  # told as missing or changed, by its digest
            findings += judge_contents(target, sums, requirements)
        findings += check_foreign(folder, target)
    return Checked(target, facts, venv, findings + list(damaged.values()), seen, room)


def weighed(findings, accepted):
    """The findings by severity, worst first; an error whose rule was accepted is a warning. Pure."""
    grouped = {severity: [] for severity in SEVERITIES}
    for finding in findings:
        if finding.severity == "error" and finding.rule in accepted:
            finding = finding._replace(severity="warning")
        grouped[finding.severity].append(finding)
    return grouped


def tell_checked(checked, grouped):
    """What --check says where nothing stands in the way; the exit code."""
    counts = [counted(len(grouped[kind]), kind) for kind in ("warning", "note") if grouped[kind]]
    verdict = "all checks passed" + (", with %s" % counts[-1] if grouped["note"] else "")
    if grouped["warning"]:
        verdict = "nothing stands in the way, but there %s %s" % (
            "is" if len(grouped["warning"]) == 1 else "are", " and ".join(counts),
        )  # fmt: skip
    place = (", ".join(checked.target["projects"]), checked.target["label"], checked.venv)
    say_wrapped(verdict + ": %s (%s) can be installed into `%s`" % place)
    if checked.room:
        say_wrapped(checked.room)
    return 4 if grouped["warning"] else 0


def run(argv):
    """Check, report everything at once, install; the exit code."""
    options = parse(argv)
    checked = check(options, HERE)
    accepted = set(options.accept)
    if checked.target is not None:
        accepted.update(set(needs_of(checked.target).get("accepted") or []) & set(ACCEPTABLE))
    grouped = weighed(checked.findings, accepted)
    failures = grouped["error"]
    if options.check and checked.seen:
        say_wrapped("this machine: %s" % spoken_server(checked.seen))
        if any(grouped.values()):
            say()
    for severity in SEVERITIES:
        for finding in grouped[severity] if severity != "note" or options.check else []:
            tell(finding)
            if options.check:
                say()
    if failures:
        if options.check and checked.room:
            say_wrapped(checked.room)
        if not options.check:
            say()
        say("refused: %d of the checks failed, nothing was changed" % len(failures))
        offered = sorted({finding.rule for finding in failures if finding.rule in ACCEPTABLE})
        if len(offered) == len({finding.rule for finding in failures}):
            say("  hint: to go on all the same: " + " ".join("--accept " + rule for rule in offered))
        return 1
    if options.check:
        return tell_checked(checked, grouped)
    foretold = any(finding.rule in ("driver", "gpu") for finding in grouped["warning"])
    return install(checked.facts, HERE, checked.target, checked.venv, checked.seen, foretold)


def handled_signals():
    """The signals that ask us to stop, as far as this system has them; those that are ignored (nohup) stay ignored."""
    numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    return [number for number in numbers if number is not None and signal.getsignal(number) is not signal.SIG_IGN]


def ignore_signals():
    """From here on nothing interrupts us: what was begun is being taken back."""
    for number in handled_signals():
        signal.signal(number, signal.SIG_IGN)


def stop(number, frame):
    """A signal handler: the first signal takes the installation back on the way out, further ones do not disturb it."""
    ignore_signals()
    raise Interrupted(number)


def main(argv):
    """The program; its exit code. Never a traceback."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")
    for number in handled_signals():
        signal.signal(number, stop)
    try:
        return run(argv)
    except Interrupted as error:
        say("interrupted by signal %d" % error.args[0])
        return 128 + error.args[0]
    except Exception as error:
        line = traceback.extract_tb(sys.exc_info()[2])[-1].lineno
        say("error[unexpected]: %s: %s (line %s of install.py)" % (type(error).__name__, error, line))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
