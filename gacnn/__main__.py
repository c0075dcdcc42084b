"""`python -m gacnn`: the command line."""

import sys

from gacnn.command.main import main

sys.exit(main())
