#!/usr/bin/env python3
"""Look at the machine that has no network, and say which target it is: a page, a JSON, and one line to type elsewhere.

    python3 probe.py [--json] [--output FILE] [--dir DIR]... [--python PYTHON]...    (no Python there: sh probe.sh)

One file to carry, standard library only, Python 3.6 or newer; no network, no root, and nothing is changed besides
`--output`. The file must even *parse* on Python 2.7 and 3.5, so that they get a sentence and not a SyntaxError: no
f-strings, no annotations, no keyword-only arguments. probe.sh beside it is its twin for servers without Python: a
change here is a change there, and tests/test_probe_sh.py compares the two. They differ in two things on purpose:
probe.sh does not ask libcuda for its CUDA version (where nvidia-smi does not tell it, the driver's comes from a table),
and it runs on Linux and macOS only.

Exit codes: 0 told, also where much is missing; 1 `--output` could not be written; 2 wrong usage.

For tests: WHEELHOUSE_PROBE_ROOT=DIR reads /proc, /etc, /usr, /sys and /dev below DIR, a machine on paper;
WHEELHOUSE_PROBE_SECONDS says how long a command may take.
"""

import os
import sys

if sys.version_info < (3, 6):
    sys.stderr.write(
        "error[python-version]: probe.py runs on Python 3.6 or newer, but this is Python %d.%d; nothing was changed\n"
        "  hint: type `sh probe.sh`, which needs no Python, or `python3 probe.py`\n" % sys.version_info[:2]
    )
    sys.exit(1)

if __name__ == "__main__" and not sys.flags.isolated:
    del sys.path[0]  # nothing that lies beside this file stands in for the standard library

import argparse  # noqa: E402
import fnmatch  # noqa: E402
import glob  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

ROOT = os.environ.get("WHEELHOUSE_PROBE_ROOT", "").rstrip("/")
# nvidia-smi may hang for ever on a GPU that fell off the bus
SECONDS = int((re.findall(r"\A[1-9][0-9]{0,3}\Z", os.environ.get("WHEELHOUSE_PROBE_SECONDS", "")) or ["20"])[0])
MOST = 1 << 20  # bytes that are read of any file or command
MANY = 64  # interpreters that are asked
WIDTH = 80

# PyTorch's channels: name, CUDA, lowest compute capability and highest major that its wheels hold code for, whether it
# has wheels for Linux on aarch64. Oldest first. A build for X.0 runs on all of X, so the major is enough on top.
# Sources: PyTorch's build scripts and its wheels' own code; PyTorch's index for aarch64.
CHANNELS = (
    ("cu118", (11, 8), (3, 7), 9, False),
    ("cu121", (12, 1), (5, 0), 9, False),
    ("cu124", (12, 4), (5, 0), 9, False),
    ("cu126", (12, 6), (5, 0), 9, True),
    ("cu128", (12, 8), (7, 5), 12, True),
    ("cu130", (13, 0), (7, 5), 12, True),
)
# The oldest driver on which any minor version of a CUDA major starts (minor-version compatibility), Linux and Windows.
# Source: NVIDIA CUDA Toolkit Release Notes, CUDA driver versions.
FLOORS = {
    11: ((450, 80, 2), (452, 39)),
    12: ((525, 60, 13), (527, 41)),
    13: ((580,), (580,)),
}
# The first driver branch that speaks a CUDA version. Windows' branches lie between the same steps. Source: as above;
# R565 from general knowledge, since no toolkit 12.7 was released.
BRANCHES = (
    (450, "11.0"), (455, "11.1"), (460, "11.2"), (465, "11.3"), (470, "11.4"), (495, "11.5"), (510, "11.6"),
    (515, "11.7"), (520, "11.8"), (525, "12.0"), (530, "12.1"), (535, "12.2"), (545, "12.3"), (550, "12.4"),
    (555, "12.5"), (560, "12.6"), (565, "12.7"), (570, "12.8"), (575, "12.9"), (580, "13.0"), (590, "13.1"),
    (595, "13.2"), (610, "13.3"), (615, "13.4"),
)  # fmt: skip
# What a name of nvidia-smi or /proc says of the compute capability, first match wins; the name stands between blanks,
# and its `-` are blanks. For drivers before R510, whose nvidia-smi does not tell it.
# Source: developer.nvidia.com/cuda-gpus.
GPU_NAMES = (
    ("12.1", ("* GB10 *",)),
    ("12.0", ("* RTX PRO [2456]?00 Blackwell*", "* RTX 50[5-9]0 *")),
    ("11.0", ("* Thor *",)),
    ("10.3", ("* GB300 *", "* B300 *")),
    ("10.0", ("* GB200 *", "* B200 *")),
    ("9.0", ("* GH200 *", "* H[12]00 *", "* H800 *", "* H20 *", "* H100L *")),
    ("8.9", ("* RTX [24-6][05]00 Ada *", "* RTX 40[5-9]0 *", "* L4 *", "* L40 *", "* L40S *", "* L20 *", "* L2 *")),
    ("8.7", ("* Orin *",)),
    ("8.6", ("* RTX A[2-6][05]00 *", "* RTX 30[5-9]0 *", "* A40 *", "* A10 *", "* A10G *", "* A16 *", "* A2 *")),
    ("8.0", ("* A100 *", "* A800 *", "* A30 *", "* A100X *")),
    ("7.5", ("* T4 *", "* T4G *", "* RTX 20[6-8]0 *", "* TITAN RTX *", "* GTX 16[56]0 *", "* Quadro RTX [3-8]000 *")),
    ("7.5", ("* T[46]00 *", "* T1[02]00 *", "* T2000 *")),
    ("7.2", ("* Xavier *",)),
    ("7.0", ("* V100 *", "* V100S *", "* TITAN V *", "* GV100 *")),
    ("6.1", ("* P4 *", "* P40 *", "* GTX 10[5-8]0 *", "* TITAN X? *", "* P[2456]000 *", "* P[46]00 *")),
    ("6.0", ("* P100 *", "* GP100 *")),
    ("5.2", ("* M40 *", "* M60 *", "* M4 *", "* GTX 9[5-8]0 *", "* GTX TITAN X *", "* M[456]000 *")),
    ("5.0", ("* M10 *", "* GTX 750 *", "* M2000 *")),
    ("3.7", ("* K80 *",)),
    ("3.5", ("* K40* *", "* K20* *")),
)
COMMON = ((3, 9), (3, 13))  # Pythons that wheels are commonly made for, by the end of 2026
GUESS = "py310"

VARIABLES = (
    "LD_LIBRARY_PATH", "LD_PRELOAD", "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "PYTHONPATH", "PYTHONHOME",
    "PIP_CONFIG_FILE", "PIP_INDEX_URL", "TMPDIR", "HF_HOME",
)  # fmt: skip
LIBRARIES = (
    "libGL.so.1", "libEGL.so.1", "libglib-2.0.so.0", "libgthread-2.0.so.0", "libX11.so.6", "libXext.so.6",
    "libXrender.so.1", "libSM.so.6", "libICE.so.6", "libxcb.so.1", "libgomp.so.1", "libsndfile.so.1", "libstdc++.so.6",
    "libmpi.so.12", "libmpi.so.40", "libnuma.so.1", "libaio.so.1", "libavcodec.so.58", "libavcodec.so.59",
    "libavcodec.so.60", "libavcodec.so.61", "libavcodec.so.62",
)  # fmt: skip
PROGRAMS = ("cc", "gcc", "g++", "clang", "nvcc", "ninja", "ffmpeg", "git", "nvidia-smi", "sox", "espeak-ng")
CUDA_LIBRARY = re.compile(
    r"lib(?:cudart|cublas|cublasLt|cudnn[A-Za-z0-9_]*|cufft|curand|cusparse|cusolver|nvrtc|nvJitLink|nccl)"
    r"\.so\.[0-9]+(?:\.[0-9])?"
)
PYTHON_NAMES = ("python3", "python3.[0-9]", "python3.[0-9][0-9]", "python3.[0-9][0-9]t", "python", "python2")
PYTHON_PLACES = (
    "/usr/bin", "/usr/local/bin", "/opt/*/bin", "/opt/*/*/bin", "/opt/*/envs/*/bin", "/opt/rh/*/roo[t]/usr/bin",
    "/opt/homebrew/bin", "/Library/Frameworks/Python.framework/Versions/*/bin",
)  # fmt: skip
HOME_PLACES = (
    ".local/bin", ".local/share/uv/python/*/bin", ".pyenv/versions/*/bin", "*conda3/bin", "*conda3/envs/*/bin",
    "*forge3/bin", "*forge3/envs/*/bin", "*mamba/bin", "*mamba/envs/*/bin",
)  # fmt: skip

WINDOWS_PLACES = (
    ("LOCALAPPDATA", "Programs/Python/Python3*/python.exe"), ("ProgramFiles", "Python3*/python.exe"),
    ("SystemDrive", "/Python3*/python.exe"), ("APPDATA", "uv/python/*/python.exe"),
    ("USERPROFILE", ".pyenv/pyenv-win/versions/*/python.exe"), ("USERPROFILE", "*conda3/python.exe"),
    ("USERPROFILE", "*forge3/python.exe"), ("ProgramData", "*conda3/python.exe"),
    ("ProgramData", "*forge3/python.exe"),
)  # fmt: skip

# Runs in the interpreter that is asked about, Python 2 included; probe.sh holds the same lines, so no single quotes.
QUESTION = """
import os, struct, sys
def works(name):
    try:
        __import__(name)
    except Exception:
        return "no"
    return "yes"
try:
    import sysconfig
    variable, place = sysconfig.get_config_var, sysconfig.get_path("include")
    headers = "yes" if os.path.isfile(os.path.join(place, "Python.h")) else "no"
except Exception:
    variable, headers = (lambda name: None), ""
try:
    from pip import __version__ as pip
except Exception:
    pip = ""
version = sys.version_info
name = getattr(getattr(sys, "implementation", None), "name", "cpython")
abi = "cp%d%d" % version[:2]
if name != "cpython":
    abi = variable("SOABI") or ""
elif version < (3, 8):
    abi += getattr(sys, "abiflags", "")
elif variable("Py_GIL_DISABLED"):
    abi += "t"
path = sys.executable or ""
said = ["WHEELHOUSE", "%d.%d.%d" % version[:3], name, abi, "%d" % (struct.calcsize("P") * 8), works("venv")]
said += [works("ensurepip"), pip, headers, ""]
said = "|".join(said).encode("ascii", "replace")
os.write(1, said + (path if version < (3,) else os.fsencode(path)) + b"\\n")
"""

# Runs in a process of its own: a broken libcuda may hang or crash the one that loads it.
ASK_LIBCUDA = """
import ctypes, sys
version = ctypes.c_int()
if ctypes.CDLL(sys.argv[1]).cuDriverGetVersion(ctypes.byref(version)) == 0:
    print("CUDA %d.%d" % (version.value // 1000, version.value % 1000 // 10))
"""


class Problems(object):
    """What speaks against using this machine as it is, by section of the page, in the order of finding."""

    def __init__(self):
        self.told = []

    def tell(self, section, text):
        self.told.append((section, text))

    def of(self, section):
        return [text for place, text in self.told if place == section]


# -- reading ---------------------------------------------------------------------------------------


def at(path):
    """Where a path of the machine is read."""
    return ROOT + path if ROOT and os.path.isabs(path) else path


def bare(path):
    """A path as the machine names it."""
    if ROOT and (path + "/").startswith(ROOT + "/"):
        return path[len(ROOT) :] or "/"
    return path


def read(path, most=MOST):
    """The text of a file, "" where it cannot be read."""
    try:
        with open(at(path), "rb") as file:
            return file.read(most).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def plain(text):
    """Text without control characters and repeated blanks, for one line of a page or a JSON."""
    return re.sub(r"[\x00-\x20\x7f]+", " ", text).strip(" ")


def run(command, seconds=SECONDS):
    """(exit status, stdout and stderr together) of a command; the status is None where it did not start or end in time.

    It is read by a thread and never waited for without a limit: a process stuck in the kernel cannot even be killed.
    """
    environment = dict(os.environ)
    for name in ("__PYVENV_LAUNCHER__", "COLUMNS", "LC_ALL", "LD_PRELOAD"):  # a broken preload talks in every answer
        environment.pop(name, None)
    environment["LC_MESSAGES"] = environment["LANGUAGE"] = "C"
    environment["SYSTEM_VERSION_COMPAT"] = "0"  # macOS tells old interpreters 10.16
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
            cwd=os.path.abspath(os.sep),
        )  # fmt: skip
    except (OSError, ValueError):
        return None, ""
    chunks = []

    def listen():
        try:
            while sum(map(len, chunks)) < MOST:
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    return
                chunks.append(chunk)
        except (OSError, ValueError):
            pass

    listener = threading.Thread(target=listen)
    listener.daemon = True
    end = time.time() + seconds
    listener.start()
    listener.join(seconds)
    status = None
    try:
        if not listener.is_alive():
            status = process.wait(timeout=max(0.1, end - time.time()))
            process.stdout.close()
    except subprocess.TimeoutExpired:
        pass
    if status is None:
        try:
            process.kill()
            process.wait(timeout=1)
        except (OSError, subprocess.TimeoutExpired):
            pass
    if status is not None and status < 0:
        status = 128 - status  # as a shell tells a signal
    return status, b"".join(chunks).decode("utf-8", "surrogateescape")


def on_path(name):
    """Where a program lies on PATH, or None."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which(name, path=folder) if folder else None
        if found:
            return os.path.abspath(found)
    return None


def numbers(version):
    """`515.65.01` as (515, 65, 1)."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", version))


# -- the system ------------------------------------------------------------------------------------


def system_of(problems):
    name = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    name = "linux" if ROOT else name
    machine = platform.machine()
    if name == "windows":
        # what a 64-bit machine tells a 32-bit or an emulated process is in a variable of its own
        machine = os.environ.get("PROCESSOR_ARCHITEW6432") or machine
    if ROOT:
        machine = plain(read("/proc/sys/kernel/arch")) or machine
    system = {
        "os": name,
        "distribution": None,
        "id": None,
        "version": None,
        "kernel": plain(read("/proc/sys/kernel/osrelease")) or platform.release() or None,
        "machine": machine or None,
        "container": None,
        "ngc": None,
    }
    if name == "linux":
        release(system)
        system["container"] = container()
        system["ngc"] = ngc()
    elif name == "macos":
        found = re.search(r"[0-9][0-9.]*", run(["/usr/bin/sw_vers", "-productVersion"])[1])
        version = found.group() if found else None
        system.update(distribution="macOS %s" % version if version else "macOS", id="macos", version=version)
    elif name == "windows":
        system.update(distribution=platform.platform(), id="windows", version=platform.version())
    if arch_of(system) is None:
        problems.tell("System", "no target can be a %s machine with %s" % (system["machine"], name))
    if system["ngc"]:
        problems.tell(
            "System",
            "this is an NVIDIA container with PyTorch %s of its own: install into a virtual environment"
            % system["ngc"],
        )
    return system


def arch_of(system):
    """The architecture as a target names it, None where no target can."""
    if system["os"] not in ("linux", "macos", "windows"):
        return None
    return {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(
        (system["machine"] or "").lower()
    )


def release(system):
    """/etc/os-release (freedesktop.org), or the one line that distributions had before it."""
    text = read("/etc/os-release") or read("/usr/lib/os-release")
    values = {}
    for line in text.splitlines():
        found = re.match(r"([A-Z_]+)=(.*)", line.strip())
        if found:
            values[found.group(1)] = plain(found.group(2).strip().strip("\"'"))
    if values:
        name = values.get("PRETTY_NAME") or values.get("NAME")
        system.update(distribution=name, id=values.get("ID"), version=values.get("VERSION_ID"))
        return
    line = plain((read("/etc/redhat-release").splitlines() or [""])[0])
    found = re.search(r"[0-9][0-9.]*", line)
    if line:
        name = "centos" if line.startswith("CentOS") else "rhel" if line.startswith("Red Hat") else None
        system.update(distribution=line, id=name, version=found.group() if found else None)


def container():
    if os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER"):
        return "apptainer"
    if os.path.exists(at("/.dockerenv")):
        return "docker"
    if os.path.exists(at("/run/.containerenv")):
        return "podman"
    return "kubernetes" if os.environ.get("KUBERNETES_SERVICE_HOST") else None


def ngc():
    """The release of NVIDIA's PyTorch container, of our environment or of the container's first process."""
    value = os.environ.get("NVIDIA_PYTORCH_VERSION")
    if not value:
        found = re.search(r"(?:^|\x00)NVIDIA_PYTORCH_VERSION=([^\x00]*)", read("/proc/1/environ"))
        value = found.group(1) if found else ""
    return plain(value) or None


def libc_of(system):
    nothing = {"name": None, "version": None}
    if system["os"] != "linux":
        return nothing
    said = ""
    if not ROOT:
        try:
            said = os.confstr("CS_GNU_LIBC_VERSION") or ""
        except (AttributeError, OSError, ValueError):
            pass  # musl, or a Python of its own on musl
    found = re.search(r"glibc ([0-9]+\.[0-9]+)", said)
    if not found and on_path("getconf"):
        found = re.search(r"glibc ([0-9]+\.[0-9]+)", run([on_path("getconf"), "GNU_LIBC_VERSION"])[1])
    if not found and on_path("ldd"):
        found = re.match(r"ldd \(.*\) ([0-9]+\.[0-9]+)", run([on_path("ldd"), "--version"])[1])
    if found:
        return {"name": "glibc", "version": found.group(1)}
    for loader in sorted(glob.glob(at("/lib/ld-musl-*.so.1"))):
        found = re.search(r"Version ([0-9]+\.[0-9]+)", run([loader])[1])
        if found:
            return {"name": "musl", "version": found.group(1)}
    return nothing


def environment_of():
    """The variables that decide what is found, without what is secret in a URL."""
    found = {}
    for name in VARIABLES:
        if name in os.environ:
            found[name] = plain(re.sub(r"://\S*@", "://", os.environ[name]))
    return found


def selinux_of():
    state = plain(read("/sys/fs/selinux/enforce"))
    if state in ("0", "1"):
        return "enforcing" if state == "1" else "permissive"
    if on_path("getenforce"):
        said = plain(run([on_path("getenforce")])[1]).lower()
        if said in ("enforcing", "permissive", "disabled"):
            return said
    if re.search(r"^SELINUX=disabled", read("/etc/selinux/config"), re.MULTILINE):
        return "disabled"
    return None


# -- Pythons ---------------------------------------------------------------------------------------


def home_of():
    return os.environ.get("HOME") or (os.path.expanduser("~") if os.name == "nt" else "")


def python_candidates(named):
    """Paths that may be a Python: those that are named, PATH, the usual places."""
    for path in named:
        yield path
    if os.name == "nt":
        yield sys.executable  # the Store's own is nowhere else
        for name in ("python", "python3"):
            for folder in os.environ.get("PATH", "").split(os.pathsep):
                path = shutil.which(name, path=folder) if folder else None
                if path and "WindowsApps" not in path:  # the Store's placeholder opens a window
                    yield path
        for path in launched(run([on_path("py"), "-0p"])[1]) if on_path("py") else ():
            yield path
        for variable, pattern in WINDOWS_PLACES:
            folder = os.environ.get(variable)
            for path in sorted(glob.glob(os.path.join(glob.escape(folder), pattern))) if folder else ():
                yield path
        return
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder.startswith("/")]
    folders += [at(place) for place in PYTHON_PLACES]
    if home_of():
        folders += [os.path.join(at(home_of()), place) for place in HOME_PLACES]
    for folder in folders:
        for name in PYTHON_NAMES:
            for path in sorted(glob.glob(os.path.join(folder, name))):
                if os.path.isfile(path) and os.access(path, os.X_OK) and not is_stub(path):
                    yield path
    path = at("/usr/libexec/platform-python")
    if os.path.isfile(path) and os.access(path, os.X_OK):
        yield path


def launched(said):
    """The interpreters that a launcher of Windows lists for `py -0p`; the chosen one's star is before or behind it."""
    found = [re.search(r"""\s"?([A-Za-z]:\\.*\.exe)"?\s*\*?\s*$""", line) for line in said.splitlines()]
    return [each.group(1) for each in found if each]


def is_stub(path):
    """Is it what macOS has without its developer tools? It would open a window that offers them."""
    if sys.platform != "darwin" or os.path.dirname(bare(path)) != "/usr/bin":
        return False
    return run(["/usr/bin/xcode-select", "-p"])[0] != 0


def base(path):
    """The interpreter under a virtual environment, which is what a new one is made from."""
    settings = os.path.join(os.path.dirname(os.path.dirname(path)), "pyvenv.cfg")
    if os.name == "nt" and os.path.exists(settings):  # no link leads there
        home = re.search(r"^home\s*=\s*(.*?)\s*$", read(settings), re.MULTILINE)
        under = os.path.join(home.group(1), os.path.basename(path)) if home else ""
        return under if os.path.isfile(under) else path
    if os.path.exists(settings):
        return os.path.realpath(path)
    return path


def same_file(path):
    """What two paths of one file have in common; on Windows their case does not count."""
    return os.path.normcase(os.path.realpath(path))


def ask_python(path):
    """What an interpreter says of itself, with the path that it gives, or None where it is none."""
    said = run([path, "-I", "-c", QUESTION])
    if "Unknown option: -I" in said[1]:  # Python 2
        said = run([path, "-E", "-s", "-c", QUESTION])
    line = ([""] + [line for line in said[1].splitlines() if line.startswith("WHEELHOUSE|")])[-1]
    fields = line.split("|", 9)
    if said[0] != 0 or len(fields) < 10 or not re.match(r"[0-9]+\.[0-9]+\.[0-9]+\Z", fields[1]):
        return None
    truth = {"yes": True, "no": False}
    python = {
        "path": bare(path),
        "version": fields[1],
        "implementation": fields[2],
        "abi": fields[3],
        "bits": int(fields[4]),
        "venv": fields[5] == "yes",
        "ensurepip": fields[6] == "yes",
        "pip": fields[7] or None,
        "headers": truth.get(fields[8]),
    }
    own = fields[9]
    return python, at(own) if own and os.path.exists(at(own)) else path


def pythons_of(named, problems):
    """(every interpreter, newest first; the path of `python3`, on Windows of `python`; the paths that are named)."""
    groups, default = {}, None
    for path in named:
        if not os.path.isfile(at(path)) or ask_python(at(path)) is None:
            problems.tell("Python", "`%s`, which --python names, is no Python that runs" % path)
    for path in python_candidates([at(path) for path in named]):
        path = os.path.abspath(base(path))
        groups.setdefault(same_file(path), []).append(path)
    plain_name = "python" if os.name == "nt" else "python3"
    if on_path(plain_name):
        default = same_file(base(on_path(plain_name)))
    wanted = [same_file(base(at(path))) for path in named]
    found, same = {}, {}
    for real in list(groups)[:MANY]:
        answer = ask_python(groups[real][0])
        if answer is None:
            continue
        python, own = answer
        own = same_file(own)
        same[real] = own
        if own != real and own in groups:  # a script that stands for another one
            continue
        nice = "python" + ".".join(python["version"].split(".")[:2])
        spelled = [path for path in groups[real] if os.path.basename(path) in (nice, nice + "t")]
        python["path"] = bare((spelled or groups[real])[0])
        found[real] = python

    def listed(real):
        real = same.get(real, real)
        return found[real]["path"] if real in found else None

    pythons = sorted(found.values(), key=lambda each: each["path"])
    pythons.sort(key=lambda each: numbers(each["version"]), reverse=True)
    return pythons, listed(default), [listed(real) for real in wanted if listed(real)]


def choose_python(pythons, default, named, problems):
    """The Python of the label: named, else `python3` where wheels are common for it, else the newest such, else any."""

    def minor(python):
        return numbers(python["version"])[:2]

    fit = [each for each in pythons if each["implementation"] == "cpython" and each["bits"] == 64]
    fit = [each for each in fit if minor(each) >= (3, 6)]
    ready = [each for each in fit if each["venv"]]
    common = [each for each in ready if COMMON[0] <= minor(each) <= COMMON[1] and not each["abi"].endswith("t")]
    for path in named:
        for each in fit:
            if each["path"] == path:
                return each
    for each in common:
        if each["path"] == default:
            return each
    if common:
        return common[0]
    if not fit:
        return None
    chosen = (ready or fit)[0]
    dotted = ".".join(str(part) for part in minor(chosen))
    if not ready:
        problems.tell("Python", "Python %s has no `venv` module, and neither has another one here" % dotted)
    elif minor(chosen) < COMMON[0]:
        problems.tell("Python", "Python %s is the newest here: few projects still make wheels for it" % dotted)
    elif minor(chosen) > COMMON[1]:
        problems.tell("Python", "Python %s is new: not all projects make wheels for it yet" % dotted)
    return chosen


def spell_python(python):
    """A Python as a label names it: `py310`."""
    return "py%d%d" % numbers(python["version"])[:2] + ("t" if python["abi"].endswith("t") else "")


# -- NVIDIA ----------------------------------------------------------------------------------------


def find_smi():
    places = [on_path("nvidia-smi")]
    if os.name == "nt":
        places += system_files("nvidia-smi.exe")
        programs = os.environ.get("ProgramFiles", r"C:\Program Files")
        places += [os.path.join(programs, "NVIDIA Corporation", "NVSMI", "nvidia-smi.exe")]
    else:
        places += [at("/usr/bin/nvidia-smi"), at("/usr/lib/wsl/lib/nvidia-smi"), at("/usr/local/nvidia/bin/nvidia-smi")]
    return ([place for place in places if place and os.path.isfile(place)] + [None])[0]


def system_files(name):
    """Where a file of Windows' own folder may lie: a 32-bit process sees the real System32 as Sysnative."""
    folder = os.environ.get("SystemRoot", r"C:\Windows")
    return [os.path.join(folder, inner, name) for inner in ("Sysnative", "System32")]


def capability_by_name(name):
    name = " %s " % name.replace("-", " ")
    for capability, patterns in GPU_NAMES:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            return capability
    return None


def ask_smi(smi, problems):
    """(driver, CUDA, GPUs) as nvidia-smi tells them; what keeps it from telling is a problem."""
    fields = ["name", "driver_version", "compute_cap", "memory.total"]
    rows, status, said = [], None, ""
    for asked in (fields, [field for field in fields if field != "compute_cap"]):
        status, said = run([smi, "--query-gpu=" + ",".join(asked), "--format=csv,noheader,nounits"])
        if status == 0 or "compute_cap" not in said:
            break
    for line in said.splitlines() if status == 0 else ():
        row = [plain(part) for part in line.split(",")]
        if len(row) == len(asked) and re.match(r"[0-9]{3,4}\.[0-9]", row[1]):
            rows.append(dict(zip(asked, row)))  # noqa: B905 - Python 3.6 knows no `strict`
    if status is None:
        problems.tell("GPU", "`nvidia-smi` did not answer within %d seconds" % SECONDS)
        return None, None, []
    if not rows:
        story = ([plain(line) for line in said.splitlines() if line.strip()] + ["it said nothing"])[0][:200]
        problems.tell("GPU", "`nvidia-smi` ended with status %d: %s" % (status, story))
        if "version mismatch" in said.lower():
            problems.tell("GPU", "the driver was updated but not loaded again: it needs a restart")
        return None, None, []
    gpus = []
    for row in rows:
        known = re.match(r"[0-9]+\.[0-9]+\Z", row.get("compute_cap", ""))
        memory = re.match(r"[0-9]+\Z", row["memory.total"])
        gpus.append(
            {
                "name": row["name"],
                "compute_capability": known.group() if known else capability_by_name(row["name"]),
                "memory": int(memory.group()) * 1048576 if memory else None,
            }
        )
    found = re.search(r"CUDA (?:UMD )?Version: *([0-9]+\.[0-9]+)", run([smi])[1])
    return rows[0]["driver_version"], found.group(1) if found else None, gpus


def ask_proc():
    """(driver, GPUs) as the kernel module tells them, without what only nvidia-smi knows."""
    found = re.search(r"NVRM version:.*?\s([0-9]{3,4}\.[0-9]+(?:\.[0-9]+)?)\s", read("/proc/driver/nvidia/version"))
    gpus = []
    for place in sorted(glob.glob(at("/proc/driver/nvidia/gpus/*/information"))):
        model = re.search(r"^Model:\s*(.*)", read(place[len(ROOT) :]), re.MULTILINE)
        name = plain(model.group(1)) if model else ""
        if name:
            gpus.append({"name": name, "compute_capability": capability_by_name(name), "memory": None})
    return found.group(1) if found else None, gpus


def cuda_of_driver(driver):
    """The newest CUDA that a driver speaks, by its branch; None for one before R450."""
    known = [cuda for branch, cuda in BRANCHES if driver and branch <= numbers(driver)[0]]
    return known[-1] if known else None


def nvidia_of(system, search, problems):
    smi = find_smi()
    driver, cuda, gpus = ask_smi(smi, problems) if smi else (None, None, [])
    loaded, listed = ask_proc()
    if driver is None:
        driver = loaded
    if not gpus:
        gpus = listed
    libcuda = search.find("libcuda.so.1", ["/usr/lib/wsl/lib", "/usr/local/nvidia/lib64"])
    if system["os"] == "windows":
        libcuda = ([place for place in system_files("nvcuda.dll") if os.path.isfile(place)] + [None])[0]
    if driver and cuda is None and libcuda and not ROOT:
        found = re.search(r"CUDA ([0-9]+\.[0-9]+)", run([sys.executable, "-I", "-c", ASK_LIBCUDA, libcuda])[1])
        cuda = found.group(1) if found else None
    devices = sorted(bare(path) for path in glob.glob(at("/dev/nvidia*")) if not os.path.isdir(path))
    devices += ["/dev/dxg"] if os.path.exists(at("/dev/dxg")) else []
    if system["os"] == "linux":
        judge_nvidia(driver, smi, loaded, devices, libcuda, problems)
    if driver:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        if hidden is not None and plain(hidden) in ("", "-1", "NoDevFiles"):
            problems.tell("GPU", "`CUDA_VISIBLE_DEVICES` hides every GPU from what is started here")
        if not gpus:
            problems.tell("GPU", "driver %s is there, but no GPU was seen" % driver)
        for gpu in gpus:
            if gpu["compute_capability"] is None:
                problems.tell("GPU", "the compute capability of `%s` is not known" % gpu["name"])
    return {
        "driver": driver,
        "cuda": cuda or cuda_of_driver(driver),
        "gpus": gpus,
        "devices": devices,
        "libcuda": libcuda,
        "problems": [],
    }


def judge_nvidia(driver, smi, loaded, devices, libcuda, problems):
    """Problems of a Linux with a driver, or with a GPU and none."""
    if driver is None:
        if has_gpu():
            problems.tell("GPU", "an NVIDIA GPU is in this machine, but no NVIDIA driver is loaded")
        return
    if loaded and not smi:
        problems.tell("GPU", "driver %s is loaded, but `nvidia-smi` was not found" % loaded)
    if not devices:
        text = "driver %s is loaded, but there is no `/dev/nvidia0`: a container needs `--gpus all`, a machine"
        problems.tell("GPU", text % driver + " `nvidia-modprobe`")
    closed = [path for path in devices if not os.access(at(path), os.R_OK | os.W_OK)]
    if closed:
        problems.tell("GPU", "this user may not open `%s`" % closed[0])
    if not libcuda:
        problems.tell("GPU", "`libcuda.so.1` was not found: nothing can use the GPU without it")


def has_gpu():
    """Is there a display or 3D controller of NVIDIA on the PCI bus?"""
    for folder in glob.glob(at("/sys/bus/pci/devices/*")):
        vendor = read(os.path.join(bare(folder), "vendor"), 64)
        if vendor.startswith("0x10de") and read(os.path.join(bare(folder), "class"), 64).startswith("0x03"):
            return True
    return False


# -- libraries and programs ------------------------------------------------------------------------


class Search(object):
    """Where the loader looks: LD_LIBRARY_PATH, then the cache that `ldconfig` made, else the usual folders."""

    def __init__(self, system, libc):
        self.folders = []
        self.cache = {}
        self.usual = []
        if system["os"] != "linux":
            return
        for folder in re.split("[:;]", os.environ.get("LD_LIBRARY_PATH", "")):
            if folder.startswith("/") and folder.rstrip("/") not in self.folders:
                self.folders.append(folder.rstrip("/"))
        if libc["name"] != "musl":  # musl's loader has no cache, and Alpine's `ldconfig` would make links
            self.cache = self.read_cache(system["machine"])
        if not self.cache:
            triplet = "%s-linux-gnu" % system["machine"]
            self.usual = ["/lib64", "/usr/lib64", "/lib/" + triplet, "/usr/lib/" + triplet, "/lib", "/usr/lib"]
            self.usual += ["/usr/local/lib64", "/usr/local/lib"]
            self.usual += self.configured()

    def read_cache(self, machine):
        word = {"x86_64": "x86-64", "aarch64": "AArch64"}.get(machine, "libc6")
        for program in (on_path("ldconfig"), at("/sbin/ldconfig"), at("/usr/sbin/ldconfig")):
            if program and os.path.isfile(program):
                cache = {}
                for line in run([program, "-p"])[1].splitlines():
                    found = re.match(r"\s+(\S+) \(([^)]*)\) => (/.*)", line)
                    if found and word in found.group(2):
                        cache.setdefault(found.group(1), plain(found.group(3)))
                if cache:
                    return cache
        return {}

    def configured(self):
        """The folders of /etc/ld.so.conf.d, where there is no cache to ask."""
        folders = []
        for place in sorted(glob.glob(at("/etc/ld.so.conf.d/*.conf"))):
            folders += [line.strip() for line in read(bare(place)).splitlines() if line.startswith("/")]
        return folders

    def find(self, name, more=()):
        """The path that the loader would take, or None."""
        for folder in self.folders:
            if os.path.isfile(at(folder + "/" + name)):
                return folder + "/" + name
        if name in self.cache:
            return self.cache[name]
        for folder in self.usual + list(more):
            if os.path.isfile(at(folder + "/" + name)):
                return folder + "/" + name
        return None

    def shadows(self):
        """CUDA libraries outside any wheel that are found before, or instead of, those of the wheels."""
        found = {}
        for folder in self.folders:
            for path in sorted(glob.glob(glob.escape(at(folder)) + "/lib*.so.*")):
                name = os.path.basename(path)
                if CUDA_LIBRARY.match(name) and CUDA_LIBRARY.match(name).group() == name:
                    found.setdefault(name, (folder + "/" + name, "LD_LIBRARY_PATH"))
        for name in self.cache:
            if CUDA_LIBRARY.match(name) and CUDA_LIBRARY.match(name).group() == name:
                found.setdefault(name, (self.cache[name], "ld.so.cache"))
        return [{"library": name, "path": found[name][0], "by": found[name][1]} for name in sorted(found)]


def toolkits():
    """CUDA toolkits, each once and by the most exact of its names."""
    places = sorted(glob.glob(at("/usr/local/cuda*")), key=lambda path: (os.path.islink(path), path))
    places += [at("/opt/cuda")] + [at(os.environ.get(name, "")) for name in ("CUDA_HOME", "CUDA_PATH")]
    seen, found = set(), []
    for path in places:
        real = os.path.realpath(path)
        if path and os.path.isdir(path) and real not in seen:
            seen.add(real)
            found.append({"path": bare(path), "version": toolkit_version(bare(path))})
    return sorted(found, key=lambda each: each["path"])


def toolkit_version(path):
    found = re.search(r'"cuda"\s*:[^}]*?"version"\s*:\s*"([0-9]+\.[0-9]+)', read(path + "/version.json"))
    found = found or re.search(r"CUDA Version ([0-9]+\.[0-9]+)", read(path + "/version.txt"))
    found = found or re.search(r"cuda-([0-9]+\.[0-9]+)\Z", path)
    return found.group(1) if found else None


def cudnns(search, cuda):
    """Every cuDNN of the system; its version stands in the name of the file behind the link."""
    places = []
    folders = search.folders + search.usual + [each["path"] + "/lib64" for each in cuda]
    for name in ("libcudnn.so.7", "libcudnn.so.8", "libcudnn.so.9"):
        places += [folder + "/" + name for folder in search.folders]
        places += [search.cache[name]] if name in search.cache else []
        places += [folder + "/" + name for folder in folders]
    seen, found = set(), []
    for path in places:
        real = os.path.realpath(at(path))
        if os.path.isfile(real) and real not in seen:
            seen.add(real)
            found.append({"path": path, "version": os.path.basename(real).rpartition(".so.")[2]})
    return sorted(found, key=lambda each: each["path"])


# -- space -----------------------------------------------------------------------------------------


def mounts():
    """[(mount point, file system, options)] of /proc/mounts."""
    found = []
    for line in read("/proc/mounts").splitlines():
        fields = line.split(" ")
        if len(fields) >= 4:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[1])
            found.append((point, fields[2], fields[3].split(",")))
    return found


def measure(what, path, mounted):
    """Room below a folder, or below the nearest one above it that exists."""
    place = path
    while not os.path.exists(at(place)) and os.path.dirname(place) != place:
        place = os.path.dirname(place)
    row = {"what": what, "path": path, "filesystem": None, "free": None, "total": None}
    options = []
    real = bare(os.path.realpath(at(place)))
    longest = -1
    for point, filesystem, found in mounted:
        if (real + "/").startswith(point.rstrip("/") + "/") and len(point) >= longest:
            longest, options, row["filesystem"] = len(point), found, filesystem
    try:
        if hasattr(os, "statvfs"):
            said = os.statvfs(at(place) or "/")
            row["free"], row["total"] = said.f_bavail * said.f_frsize, said.f_blocks * said.f_frsize
        else:
            usage = shutil.disk_usage(place)
            row["free"], row["total"] = usage.free, usage.total
    except OSError:
        pass
    row["noexec"] = "noexec" in options
    row["read_only"] = "ro" in options
    row["writable"] = os.access(at(place), os.W_OK) and not row["read_only"]
    return row


def space_of(folders):
    mounted = mounts()
    rows = [("root", os.path.abspath(os.sep))]
    if os.name == "nt":
        rows.append(("temporary", os.environ.get("TEMP") or os.environ.get("TMP") or os.path.abspath(os.sep)))
    else:
        rows.append(("temporary", os.environ.get("TMPDIR") or "/tmp"))
    if home_of():
        rows.append(("home", home_of()))
    try:
        current = [] if folders else [os.getcwd()]
    except OSError:
        current = []
    rows += [("named", os.path.abspath(folder)) for folder in folders or current]
    return [measure(what, path, mounted) for what, path in rows]


# -- the label -------------------------------------------------------------------------------------


def holds(channel, gpu):
    """Has a channel code for a GPU? One of unknown capability gets the benefit of the doubt."""
    if gpu["compute_capability"] is None:
        return True
    capability = numbers(gpu["compute_capability"])
    return channel[2] <= capability and capability[0] <= channel[3]


def accelerator_of(system, driver, gpus):
    """The newest channel that a driver and its GPUs can work with, None where there is none.

    Of the newest CUDA major whose floor the driver meets: the newest build that its CUDA covers, else the lowest, by
    minor-version compatibility; where that major has no code for the GPUs, of the major before it.
    """
    here = 1 if system["os"] == "windows" else 0
    speaks = numbers(cuda_of_driver(driver) or "0.0")
    for major in sorted(FLOORS, reverse=True):
        if numbers(driver) < FLOORS[major][here]:
            continue
        fitting = [
            channel
            for channel in CHANNELS
            if channel[1][0] == major
            and (channel[4] or arch_of(system) == "x86_64")
            and all(holds(channel, gpu) for gpu in gpus)
        ]
        native = [channel for channel in fitting if channel[1] <= speaks]
        if fitting:
            return native[-1][0] if native else fitting[0][0]
    return None


def label_of(system, libc, python, nvidia, problems):
    """The target label in its canonical form (OS-ARCH-ACCELERATOR-PYTHON-LIBC-DRIVER-GPU), None where there is none."""
    arch = arch_of(system)
    if arch is None:
        return None
    name, accelerator, gpu = system["os"], "cpu", None
    driver = nvidia["driver"]
    driver = driver if driver and re.match(r"[0-9]{3,4}(\.[0-9]{1,3}){0,2}\Z", driver) else None
    if name == "macos":
        accelerator, driver = None, None
        version = numbers(system["version"] or "13")
        if version[0] != 13:
            name += "%d" % version[0] + (".%d" % version[1] if version[0] == 10 else "")
    elif driver:
        known = [each for each in nvidia["gpus"] if each["compute_capability"]]
        known.sort(key=lambda each: numbers(each["compute_capability"]))
        lost = []
        while True:
            fit = accelerator_of(system, driver, known)
            if fit or not known:
                break
            lost.append(known.pop(0))
        accelerator = fit or "cpu"
        if numbers(driver) < FLOORS[11][1 if name == "windows" else 0]:
            text = "driver %s is too old for every channel of PyTorch: the oldest, cu118, needs %s"
            problems.tell("GPU", text % (driver, "452.39" if name == "windows" else "450.80.02"))
            known, lost = sorted(known + lost, key=lambda each: numbers(each["compute_capability"])), []
        elif lost and known:
            problems.tell("GPU", "no channel holds code for all of these GPUs: `%s` is left out" % lost[0]["name"])
        elif lost:
            problems.tell("GPU", "no channel of PyTorch that this driver runs holds code for `%s`" % lost[0]["name"])
            known, accelerator = lost, "cpu"
        if known:
            gpu = "sm" + known[0]["compute_capability"].replace(".", "")
    if python is None:
        problems.tell("Python", "no CPython 3.6 or newer (64-bit) was found: `%s` is a guess" % GUESS)
    runtime = None
    if name == "linux" and libc["name"] and (libc["name"], libc["version"]) != ("glibc", "2.28"):
        runtime = libc["name"] + libc["version"]
    if name == "linux" and not libc["name"]:
        problems.tell("System", "the C library was not recognised: glibc 2.28 is a guess")
    parts = [name, arch, accelerator, spell_python(python) if python else GUESS, runtime]
    parts += ["driver" + driver if driver else None, gpu]
    return "-".join(part for part in parts if part)


def checksum(data):
    """The CRC of POSIX `cksum` (IEEE Std 1003.1): polynomial 0x04C11DB7, then the length, then inverted."""
    crc, length = 0, len(data)
    data = bytearray(data)
    while length:
        data.append(length & 0xFF)
        length >>= 8
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc ^ 0xFFFFFFFF


def line_of(label):
    """The label with its check digits: of 100000 typing errors about one goes unseen."""
    return "%s-ck%05d" % (label, checksum(label.encode("ascii")) % 100000)


# -- the page --------------------------------------------------------------------------------------


def amount(count):
    """Bytes in decimal units, as disks are sold: `4.7 GB`."""
    if count is None:
        return "unknown"
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= size:
            return "%.1f %s" % (count / float(size), unit)
    return "%.1f kB" % (count / 1000.0)


def wrap(text, width):
    """Lines of at most `width` columns; a word that is longer goes on in the next line."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line += " " + word if line else word
        while len(line) > width:
            lines.append(line[:width])
            line = line[width:]
    return lines + [line]


def several(count, noun, nouns):
    return "%d %s" % (count, noun if count == 1 else nouns)


class Page(object):
    """Lines of at most 80 columns: a mark, a name, and text that is wrapped beside it."""

    def __init__(self):
        self.lines = []

    def heading(self, name):
        self.lines += ["", name]

    def row(self, name, text, mark=" "):
        for place, line in enumerate(wrap(text, WIDTH - 14)):
            self.lines.append(("%s %-11s %s" % ((" ", "", line) if place else (mark, name, line))).rstrip())

    def concerns(self, texts):
        """Whole sentences, each marked."""
        for text in texts:
            self.lines += ["%s %s" % (" " if place else "!", line) for place, line in enumerate(wrap(text, WIDTH - 2))]


def write_page(facts, chosen, default, problems):
    page = Page()
    page.lines.append("What wheelhouse sees here   (`!` may get in the way, `>` is the Python it takes)")
    system, nvidia = facts["system"], facts["nvidia"]
    page.heading("System")
    page.row("name", system["distribution"] or system["os"])
    page.row("kernel", "%s on %s" % (system["kernel"] or "unknown", system["machine"] or "unknown"))
    if system["os"] == "linux":
        libc = facts["libc"]
        page.row("C library", "%s %s" % (libc["name"], libc["version"]) if libc["name"] else "unknown")
    for name, key in (("container", system["container"]), ("SELinux", facts["selinux"])):
        if key:
            page.row(name, key)
    for name in VARIABLES:
        if name in facts["environment"] and name != "TMPDIR":
            value = facts["environment"][name]
            page.row("variable", "%s=%s" % (name, value[:300] + "..." if len(value) > 300 else value))
    page.concerns(problems.of("System"))

    page.heading("Python")
    for python in facts["pythons"]:
        mark = ">" if chosen and python["path"] == chosen["path"] else " "
        weak = not python["venv"] and numbers(python["version"]) >= (3, 6)
        page.row(python["version"], python_text(python, default), "!" if weak else mark)
    if not facts["pythons"]:
        page.row("none", "no Python was found", "!")
    page.concerns(problems.of("Python"))

    page.heading("GPU")
    if nvidia["driver"]:
        text = "%s, for CUDA up to %s" % (nvidia["driver"], nvidia["cuda"]) if nvidia["cuda"] else nvidia["driver"]
        page.row("driver", text)
    elif not problems.of("GPU"):
        page.row("none", "no NVIDIA driver, no NVIDIA GPU")
    first = 0
    for place, gpu in enumerate(nvidia["gpus"]):
        if nvidia["gpus"][place + 1 : place + 2] == [gpu]:
            continue  # equal ones share a row
        capability, memory = gpu["compute_capability"], gpu["memory"]
        text = gpu["name"] + (", sm" + capability.replace(".", "") if capability else "")
        name = "GPU %d" % place if place == first else "GPU %d to %d" % (first, place)
        page.row(name, text + (", %.0f GiB" % (memory / float(1 << 30)) if memory else ""))
        first = place + 1
    if nvidia["libcuda"]:
        page.row("libcuda", nvidia["libcuda"])
    page.concerns(problems.of("GPU"))

    page.heading("Libraries")
    if system["os"] == "linux":
        there = [name for name in LIBRARIES if facts["libraries"][name]]
        page.row("there", " ".join(there) or "none of those that packages ask for")
        page.row("missing", " ".join(missing_libraries(facts["libraries"])) or "none")
    else:
        page.row("", "not looked at on this system")
    for cuda in facts["cuda"]:
        page.row("CUDA", "%s in %s" % (cuda["version"] or "unknown", cuda["path"]))
    for cudnn in facts["cudnn"]:
        page.row("cuDNN", "%s in %s" % (cudnn["version"], cudnn["path"]))
    library = ("CUDA library", "CUDA libraries")
    count, folders = shadow_folders(facts["shadows"], "ld.so.cache")
    if count:
        page.row("by ldconfig", "%s in %s" % (several(count, *library), folders))
    count, folders = shadow_folders(facts["shadows"], "LD_LIBRARY_PATH")
    if count:
        text = "LD_LIBRARY_PATH puts %s before those of the wheels, in %s: unset it"
        page.concerns([text % (several(count, *library), folders)])

    page.heading("Programs")
    page.row("there", " ".join(name for name in PROGRAMS if facts["programs"][name]) or "none")
    page.row("missing", " ".join(name for name in PROGRAMS if not facts["programs"][name]) or "none")

    page.heading("Space")
    for row in facts["space"]:
        words = [word for word, key in (("noexec", "noexec"), ("read-only", "read_only")) if row[key]]
        words += ["not writable"] if not row["writable"] and not row["read_only"] and row["what"] != "root" else []
        text = "%s: %s free of %s" % (row["path"], amount(row["free"]), amount(row["total"]))
        text += ", " + row["filesystem"] if row["filesystem"] else ""
        page.row(row["what"], ", ".join([text] + words), "!" if words and row["what"] != "root" else " ")
    page.concerns(problems.of("Space"))

    page.lines.append("")
    if facts["line"]:
        page.lines += ["Type this line after `--target` on the machine that has a network:", "", "    " + facts["line"]]
    else:
        page.lines.append("! no target names this machine: there is no line to type")
    return "\n".join(page.lines) + "\n"


def python_text(python, default):
    words = [spell_python(python) if python["implementation"] == "cpython" else python["implementation"]]
    words += ["32-bit"] if python["bits"] == 32 else []
    words += ["venv" if python["venv"] else "no venv", "pip " + python["pip"] if python["pip"] else "no pip"]
    words += ["headers"] if python["headers"] else []
    words += ["`python`" if os.name == "nt" else "`python3`"] if python["path"] == default else []
    return "%s, %s" % (", ".join(words), python["path"])


def missing_libraries(libraries):
    """What is not there; of libmpi and libavcodec any version will do for a reader."""
    missing = []
    for name in LIBRARIES:
        stem = name.partition(".so")[0]
        if stem in ("libmpi", "libavcodec"):
            if stem not in missing and not any(libraries[each] for each in LIBRARIES if each.startswith(stem + ".")):
                missing.append(stem)
        elif not libraries[name]:
            missing.append(name)
    return missing


def shadow_folders(shadows, by):
    """(how many CUDA libraries of the system are found this way, their folders)."""
    rows = [row for row in shadows if row["by"] == by]
    return len(rows), " ".join(sorted({os.path.dirname(row["path"]) for row in rows}))


# -- the program -----------------------------------------------------------------------------------


def look(folders, named):
    """(facts as the JSON has them, the page)."""
    problems = Problems()
    system = system_of(problems)
    libc = libc_of(system)
    search = Search(system, libc)
    pythons, default, wanted = pythons_of(named, problems)
    chosen = choose_python(pythons, default, wanted, problems)
    nvidia = nvidia_of(system, search, problems)
    label = label_of(system, libc, chosen, nvidia, problems)
    nvidia["problems"] = problems.of("GPU")
    cuda = toolkits() if os.name != "nt" else []
    facts = {
        "probe": 1,
        "label": label,
        "line": line_of(label) if label else None,
        "system": system,
        "libc": libc,
        "pythons": pythons,
        "nvidia": nvidia,
        "environment": environment_of(),
        "libraries": {name: search.find(name) for name in LIBRARIES},
        "programs": {name: bare(on_path(name)) if on_path(name) else None for name in PROGRAMS},
        "cuda": cuda,
        "cudnn": cudnns(search, cuda),
        "shadows": search.shadows(),
        "space": space_of(folders),
        "selinux": selinux_of() if system["os"] == "linux" else None,
    }
    for row in facts["space"]:
        if row["what"] in ("temporary", "home", "named") and row["free"] is not None:
            least = 64 * 1024 * 1024 if row["what"] == "temporary" else 10**9
            if row["free"] < least:
                problems.tell("Space", "`%s` has only %s free" % (row["path"], amount(row["free"])))
    facts["problems"] = problems.of("System") + problems.of("Python") + problems.of("Space")
    facts = clean(facts)
    return facts, write_page(facts, chosen, default, problems)


def clean(value):
    """A value of the JSON without what no UTF-8 can hold: each such byte of a path becomes a question mark."""
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(each) for each in value]
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def write(path, text):
    """The file whole or not at all."""
    partial = "%s.%d.partial" % (path, os.getpid())
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    except OSError:
        try:
            os.unlink(partial)
        except OSError:
            pass
        raise


def say(stream, text):
    """Text as bytes: never fails, whatever the encoding, and also where nobody reads on."""
    if stream is None:
        return
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeError:  # half a pair of surrogates, which a path of Windows may hold
        data = text.encode("utf-8", "replace")
    try:
        stream.flush()
        stream.buffer.write(data.replace(b"\n", os.linesep.encode("ascii")))
        stream.buffer.flush()
    except (OSError, ValueError):
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # or the end of Python complains
        except (OSError, ValueError):
            pass


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="probe.py",
        description="Look at this machine and say which target it is. Nothing is changed, nothing is sent.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON, not the page")
    parser.add_argument("--output", metavar="FILE", help="write the JSON to FILE as well")
    parser.add_argument("--dir", metavar="DIR", action="append", default=[], help="measure the room of DIR as well")
    parser.add_argument("--python", metavar="PYTHON", action="append", default=[], help="ask PYTHON too, and take it")
    return parser.parse_args(argv)


def main(argv):
    """The program; its exit code. Never a traceback."""
    options = parse(argv)
    try:
        named = [os.path.abspath(os.path.expanduser(path)) for path in options.python]
        facts, page = look(options.dir, named)
        text = json.dumps(facts, indent=1) + "\n"
        say(sys.stdout, text if options.json else page)
        if options.output is not None:
            try:
                write(options.output, text)
            except OSError as error:
                reason = error.strerror or error
                say(sys.stderr, "error[output]: `%s` cannot be written: %s\n" % (options.output, reason))
                return 1
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        line = error.__traceback__.tb_lineno
        while error.__traceback__.tb_next:
            error.__traceback__ = error.__traceback__.tb_next
            line = error.__traceback__.tb_lineno
        where = (type(error).__name__, error, line)
        say(sys.stderr, "error[unexpected]: %s: %s (line %s of probe.py)\n" % where)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
