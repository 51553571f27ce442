"""The world as the tests know it: PyPI, PyTorch's channels and a proxy on the loopback, with real small wheels."""

from world.faults import (
    ChangeETag,
    Corrupt,
    Fault,
    IgnoreRange,
    NoLength,
    Redirect,
    Replace,
    Request,
    Reset,
    Response,
    Slow,
    Stall,
    Status,
    Truncate,
)
from world.pypi import fake_pypi
from world.pytorch import FakePyTorch, fake_pytorch
from world.server import FakeIndex, FakeProxy, Listed
from world.wheels import SdistFile, WheelFile, build_sdist, build_wheel, pip_wheel

__all__ = [
    "ChangeETag",
    "Corrupt",
    "FakeIndex",
    "FakeProxy",
    "FakePyTorch",
    "Fault",
    "IgnoreRange",
    "Listed",
    "NoLength",
    "Redirect",
    "Replace",
    "Request",
    "Reset",
    "Response",
    "SdistFile",
    "Slow",
    "Stall",
    "Status",
    "Truncate",
    "WheelFile",
    "build_sdist",
    "build_wheel",
    "fake_pypi",
    "fake_pytorch",
    "pip_wheel",
]
