"""`python -m gacnn`: the command line."""

import sys

from gacnn.command import main

sys.exit(main())
