"""Releases of ordinary projects as both indexes carry them: real names, versions and requirements, made-up contents."""

from __future__ import annotations

from collections.abc import Sequence

from world.wheels import WheelFile, build_wheel

REQUESTS = (
    "charset-normalizer<{charset},>=2",
    "idna<4,>=2.5",
    "urllib3<{urllib3},>=1.21.1",
    "certifi>=2017.4.17",
    'PySocks!=1.5.7,>=1.5.6; extra == "socks"',
)

# project: {version: (requires, requires-python)}, oldest first; all py3-none-any but for _TAGS
PURE: dict[str, dict[str, tuple[Sequence[str], str | None]]] = {
    "certifi": {"2022.12.7": ((), ">=3.6"), "2024.8.30": ((), ">=3.6"), "2025.1.31": ((), ">=3.6")},
    "idna": {"3.4": ((), ">=3.5"), "3.10": ((), ">=3.6")},
    "requests": {
        "2.28.1": ([text.format(charset=3, urllib3="1.27") for text in REQUESTS], ">=3.7,<4"),
        "2.31.0": ([text.format(charset=4, urllib3=3) for text in REQUESTS], ">=3.7"),
        "2.32.3": ([text.format(charset=4, urllib3=3) for text in REQUESTS], ">=3.8"),
    },
    "urllib3": {
        "1.26.13": ((), "!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,!=3.5.*,>=2.7"),
        "2.2.3": ((), ">=3.8"),
        "2.3.0": ((), ">=3.9"),
    },
    "typing-extensions": {
        "4.8.0": ((), ">=3.8"),
        "4.9.0": ((), ">=3.8"),
        "4.12.2": ((), ">=3.8"),
        "4.15.0": ((), ">=3.9"),
    },
    "filelock": {"3.9.0": ((), ">=3.7"), "3.13.1": ((), ">=3.8"), "3.16.1": ((), ">=3.8"), "3.18.0": ((), ">=3.9")},
    "fsspec": {"2023.4.0": ((), ">=3.8"), "2024.6.1": ((), ">=3.8"), "2025.9.0": ((), ">=3.9")},
    "mpmath": {"1.3.0": ((), None)},
    "sympy": {
        "1.12": (("mpmath>=0.19",), ">=3.8"),
        "1.13.1": (("mpmath<1.4,>=1.1.0",), ">=3.8"),
        "1.13.3": (("mpmath<1.4,>=1.1.0",), ">=3.8"),
        "1.14.0": (("mpmath<1.4,>=1.1.0",), ">=3.9"),
    },
    "networkx": {
        "3.0": ((), ">=3.8"),
        "3.2.1": ((), ">=3.9"),
        "3.3": ((), ">=3.10"),
        "3.4.2": ((), ">=3.10"),
        "3.5": ((), ">=3.11"),
    },
    "jinja2": {
        "3.1.2": (("MarkupSafe>=2.0", 'Babel>=2.7; extra == "i18n"'), ">=3.7"),
        "3.1.4": (("MarkupSafe>=2.0", 'Babel>=2.7; extra == "i18n"'), ">=3.7"),
        "3.1.6": (("MarkupSafe>=2.0", 'Babel>=2.7; extra == "i18n"'), ">=3.7"),
    },
    "setuptools": {"70.2.0": ((), ">=3.8"), "80.9.0": ((), ">=3.9")},
    "opt-einsum": {"3.3.0": (("numpy>=1.7",), ">=3.5"), "3.4.0": ((), ">=3.8")},
    "pycparser": {"2.22": ((), ">=3.8")},
    "async-timeout": {
        "4.0.3": (('typing-extensions>=3.6.5; python_version < "3.8"',), ">=3.7"),
        "5.0.1": ((), ">=3.8"),
    },
    "packaging": {"22.0": ((), ">=3.7"), "24.1": ((), ">=3.8"), "25.0": ((), ">=3.8")},
    "tqdm": {"4.66.5": (('colorama; platform_system == "Windows"',), ">=3.7")},
    "colorama": {"0.4.6": ((), "!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,!=3.5.*,!=3.6.*,>=2.7")},
}

_NAMES = {
    ("jinja2", "3.1.2"): "Jinja2",
    ("jinja2", "3.1.4"): "Jinja2",
    ("typing-extensions", ""): "typing_extensions",
    ("markupsafe", "2.1.5"): "MarkupSafe",
    ("markupsafe", "3.0.2"): "MarkupSafe",
}
_TAGS = {("urllib3", "1.26.13"): "py2.py3-none-any", ("colorama", "0.4.6"): "py2.py3-none-any"}
_EXTRAS = {"requests": ("socks",), "jinja2": ("i18n",)}

_WIDE = "manylinux_2_17_x86_64.manylinux2014_x86_64"
_WIDE_ARM = "manylinux_2_17_aarch64.manylinux2014_aarch64"

# project, version: requires-python, pythons, platforms
_NATIVE: dict[tuple[str, str], tuple[str, str, tuple[str, ...]]] = {
    ("numpy", "1.26.3"): (">=3.9", "39 310 311 312", (_WIDE, "macosx_10_9_x86_64", "win_amd64")),
    ("numpy", "1.26.4"): (
        ">=3.9",
        "39 310 311 312",
        (_WIDE, _WIDE_ARM, "musllinux_1_1_x86_64", "macosx_10_9_x86_64", "macosx_11_0_arm64", "win_amd64"),
    ),
    ("numpy", "2.1.2"): (">=3.10", "310 311 312 313", (_WIDE, _WIDE_ARM, "macosx_14_0_arm64", "win_amd64")),
    ("numpy", "2.1.3"): (
        ">=3.10",
        "310 311 312 313",
        (_WIDE, _WIDE_ARM, "musllinux_1_2_x86_64", "macosx_14_0_arm64", "win_amd64"),
    ),
    ("numpy", "2.3.2"): (
        ">=3.11",
        "311 312 313",
        ("manylinux_2_27_x86_64.manylinux_2_28_x86_64", "manylinux_2_27_aarch64.manylinux_2_28_aarch64", "win_amd64"),
    ),
    ("pillow", "10.2.0"): (
        ">=3.8",
        "310 311 312",
        (_WIDE, "manylinux_2_28_x86_64", "macosx_10_10_x86_64", "win_amd64"),
    ),
    ("pillow", "11.0.0"): (
        ">=3.9",
        "39 310 311 312 313",
        (
            _WIDE,
            "manylinux_2_28_x86_64",
            "manylinux_2_28_aarch64",
            "musllinux_1_2_x86_64",
            "macosx_11_0_arm64",
            "win_amd64",
        ),
    ),
    ("markupsafe", "2.1.5"): (
        ">=3.7",
        "39 310 311 312",
        (_WIDE, _WIDE_ARM, "musllinux_1_1_x86_64", "macosx_10_9_universal2", "win_amd64"),
    ),
    ("markupsafe", "3.0.2"): (
        ">=3.9",
        "39 310 311 312 313",
        (_WIDE, _WIDE_ARM, "musllinux_1_2_x86_64", "macosx_11_0_arm64", "win_amd64"),
    ),
    ("charset-normalizer", "2.1.1"): (">=3.6.0", "", ()),
    ("charset-normalizer", "3.4.0"): (">=3.7.0", "310 311 312 313", (_WIDE, "musllinux_1_2_x86_64", "win_amd64")),
    ("cffi", "1.17.1"): (">=3.8", "310 311 312", (_WIDE, "musllinux_1_1_x86_64", "win_amd64")),
    ("pyarrow", "17.0.0"): (">=3.8", "310 311 312", (_WIDE, "manylinux_2_28_x86_64", "macosx_11_0_arm64", "win_amd64")),
    ("pyarrow", "21.0.0"): (">=3.9", "310 311 312 313", ("manylinux_2_28_x86_64", "musllinux_1_2_x86_64", "win_amd64")),
}
_NATIVE_REQUIRES = {"cffi": ("pycparser",), "pyarrow": ("numpy>=1.16.6",)}


def pure(project: str, version: str) -> WheelFile:
    """The one wheel of a pure release."""
    requires, requires_python = PURE[project][version]
    name = _NAMES.get((project, version)) or _NAMES.get((project, "")) or project
    tag = _TAGS.get((project, version), "py3-none-any")
    return build_wheel(
        name, version, tag=tag, requires=requires, requires_python=requires_python, extras=_EXTRAS.get(project, ()),
        modules={f"{_import_name(project)}/__init__.py": f'__version__ = "{version}"\n'},
    )  # fmt: skip


def native(project: str, version: str) -> tuple[WheelFile, ...]:
    """The wheels of a release with compiled code; charset-normalizer has a pure one besides."""
    requires_python, pythons, platforms = _NATIVE[project, version]
    tags = [f"cp{python}-cp{python}-{platform}" for python in pythons.split() for platform in platforms]
    if project == "charset-normalizer":
        tags.append("py3-none-any")
    return tuple(
        build_wheel(
            _NAMES.get((project, version), project), version, tag=tag, requires=_NATIVE_REQUIRES.get(project, ()),
            requires_python=requires_python,
            modules={f"{_import_name(project)}/__init__.py": f'__version__ = "{version}"\n'},
        )
        for tag in tags
    )  # fmt: skip


def native_versions(project: str) -> tuple[str, ...]:
    return tuple(version for name, version in _NATIVE if name == project)


def native_projects() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name, _ in _NATIVE))


def _import_name(project: str) -> str:
    return {"pillow": "PIL"}.get(project, project.replace("-", "_"))
