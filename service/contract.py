"""Prints the OpenAPI contract: ``python -m service.contract``.

A test compares the application's own with the one stored in ``tests/service/openapi.json``.
"""

import json
import sys

from service.app import create_app
from service.openapi import describe
from service.settings import Settings


def main() -> None:
    """Write it to standard output."""
    json.dump(describe(create_app(Settings())), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
