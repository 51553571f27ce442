"""What the commands of `wheelhouse mirror` share."""

from __future__ import annotations

from typing import Any

from wheelhouse.cli.options import Decorator, option

endpoint: Decorator[Any] = option(
    "--s3-endpoint",
    "endpoint",
    metavar="URL",
    help="The server of an `s3://` mirror; else AWS_ENDPOINT_URL. Credentials and region come from AWS_* variables.",
)
