"""``python -m gradmask``: the program, for launchers that start a module (torchrun -m gradmask)."""

import sys

from gradmask.cli import main

if __name__ == "__main__":
    sys.exit(main())
