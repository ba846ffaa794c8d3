"""Run the command without its entry point: `python -m shotgrid_login_ops check SITE_URL`."""

import sys

from shotgrid_login_ops.cli import main

if __name__ == "__main__":
    sys.exit(main())
