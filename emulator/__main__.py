"""``python -m emulator scenario.yaml``: instruments that are not there. ``--help`` tells the rest."""

from __future__ import annotations

import sys

from emulator.command_line import main

if __name__ == "__main__":
    sys.exit(main())
