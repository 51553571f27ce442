"""README.txt of a bundle: what to do on the machine without a network, in plain words, English and Korean."""

from __future__ import annotations

from wheelhouse.lock import Lock
from wheelhouse.target import Target

_ENGLISH = """\
{title}

For:       {machine}
Projects:  {projects}

This folder holds everything that the projects above need, and the pip that installs it. No network, no compiler and no
administrator rights are needed.


INSTALL

    sh install.sh                       Linux, macOS; makes a virtual environment in ./venv
    py install.py                       Windows

First everything is checked: the Python version, this machine, glibc, the NVIDIA driver and GPUs, libraries and
programs that the wheels do not bring, free space, and the SHA-256 of every file. What is wrong is told all at once, and
nothing is changed. A virtual environment that is there already is used if its Python fits; it is never replaced.

    sh install.sh --venv /data/env      another folder for the virtual environment
    sh install.sh --python {python:<13}another Python: a path, a command or a version
    sh install.sh --check               only check, and tell also what is good to know
    sh install.sh --accept RULE         go on although a rule fails, such as: --accept driver

At the end every project is imported; torch also says whether CUDA starts, and why not, and multiplies on each GPU.

Afterwards:   . venv/bin/activate       or call venv/bin/python  (Windows: venv\\Scripts\\python)

Exit codes:   0  installed (with --check: everything fits)
              1  refused or failed; nothing was changed
              2  wrong usage
              3  installed, but an import, `pip check` or the try on the GPU failed; the messages say which
              4  with --check: nothing stands in the way, but there are warnings
              129, 130, 143  interrupted; nothing was changed


LOOK AT THIS MACHINE

    sh probe.sh                         which target it is: system, Pythons, driver, GPUs, libraries, space
    python3 probe.py                    the same, where there is a Python; --json for a program

Both only look. Their last line is the target, short enough to be typed on the machine where bundles are made.


CHECK THE FILES BY HAND

    sha256sum -c SHA256SUMS             (macOS: shasum -a 256 -c SHA256SUMS)


WITH PIP, INTO AN ENVIRONMENT OF YOUR OWN

    pip install --no-index --find-links {links} --no-deps --require-hashes -r requirements.txt

If your pip is too old for these wheels, run the one in this folder:

    python {pip}/pip install --no-index --find-links {links} --no-deps --require-hashes -r requirements.txt

pip 26.1 and newer, and uv, can also read pylock.toml: pip install -r pylock.toml. The virtual environment that
install.sh makes has no pip of its own, unless it was asked for; this one serves: venv/bin/python {pip}/pip list
"""

_KOREAN = """\
{title}

대상:      {machine}
프로젝트:  {projects}

이 폴더에는 위 프로젝트에 필요한 모든 휠과 그것을 설치할 pip이 들어 있습니다. 네트워크, 컴파일러, 관리자 권한은
필요하지 않습니다.


설치

    sh install.sh                       Linux, macOS. ./venv에 가상 환경을 만듭니다
    py install.py                       Windows

먼저 파이썬 버전, 시스템, glibc, NVIDIA 드라이버와 GPU, 휠에 들어 있지 않은 라이브러리와 프로그램, 남은 공간, 모든
파일의 SHA-256을 검사합니다. 문제가 있으면 한꺼번에 알려 주고 아무것도 바꾸지 않습니다. 이미 있는 가상 환경은 파이썬이
맞으면 그대로 쓰고, 절대로 지우거나 바꿔치지 않습니다.

    sh install.sh --venv /data/env      가상 환경을 만들 폴더
    sh install.sh --python {python:<13}사용할 파이썬: 경로, 명령 또는 버전
    sh install.sh --check               검사만 하고, 알아 두면 좋은 것도 알려 줍니다
    sh install.sh --accept RULE         실패한 규칙을 감수하고 계속합니다. 예: --accept driver

끝으로 모든 프로젝트를 import 합니다. torch는 CUDA가 켜지는지, 아니면 왜 안 되는지 확인하고 GPU마다 행렬 곱을 해 봅니다.

설치한 뒤:    . venv/bin/activate       또는 venv/bin/python  (Windows: venv\\Scripts\\python)

종료 코드:    0  설치됨 (--check: 모두 맞음)
              1  거부되었거나 실패함. 바뀐 것 없음
              2  명령을 잘못 씀
              3  설치는 되었지만 import, `pip check` 또는 GPU 시험이 실패함. 메시지를 보십시오
              4  --check: 설치할 수 있지만 경고가 있음
              129, 130, 143  중단됨. 바뀐 것 없음


이 서버 살펴보기

    sh probe.sh                         이 서버가 어떤 대상인지: 시스템, 파이썬, 드라이버, GPU, 라이브러리, 공간
    python3 probe.py                    같은 내용. 파이썬이 있을 때. 프로그램으로 읽으려면 --json

둘 다 살펴보기만 합니다. 마지막 줄이 대상이며, 묶음을 만드는 쪽에서 손으로 옮겨 칠 수 있을 만큼 짧습니다.


파일을 직접 검사하기

    sha256sum -c SHA256SUMS             (macOS: shasum -a 256 -c SHA256SUMS)


pip으로 직접 설치하기

    pip install --no-index --find-links {links} --no-deps --require-hashes -r requirements.txt

pip이 너무 오래되었으면 이 폴더의 pip을 실행하십시오.

    python {pip}/pip install --no-index --find-links {links} --no-deps --require-hashes -r requirements.txt

pip 26.1 이상과 uv는 pylock.toml도 읽습니다: pip install -r pylock.toml. install.sh가 만든 가상 환경에는 따로 요청하지
않은 한 pip이 없습니다. 이 폴더의 pip을 쓰십시오: venv/bin/python {pip}/pip list
"""


def readme(lock: Lock, target: Target, *, pip: str, wheel_folder: str) -> str:
    """The text of README.txt; `pip` is the path of the pip wheel, `wheel_folder` as in `layout`."""
    python = f"{target.python[0]}.{target.python[1]}"
    machine = f"{target.os} {target.arch}, Python {python}{' free-threaded' if target.free_threaded else ''}"
    if target.libc is not None:
        machine += f", {target.libc.name} {target.libc.version[0]}.{target.libc.version[1]}+"
    if target.accelerator is not None:
        machine += f", {target.accelerator}"
    facts = {
        "title": f"{lock.label}\n{'=' * len(lock.label)}",
        "machine": machine,
        "projects": ", ".join(sorted(lock.roots)) or "-",
        "python": python,
        "links": wheel_folder.rstrip("/") or ".",
        "pip": pip,
    }
    return _ENGLISH.format(**facts) + "\n\n" + _KOREAN.format(**facts)
