"""Where a Chromium is: the page for people is looked at in a real one."""

from __future__ import annotations

import os
import shutil

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless-shell")


def chromium() -> str | None:
    """The Chromium of this machine, or the one that `CHROMIUM` names; None where there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
