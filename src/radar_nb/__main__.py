"""`python -m radar_nb` is the command `radar-nb`, for where scripts are not on the path."""

import sys

from radar_nb.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
