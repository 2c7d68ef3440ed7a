"""``python -m scorefield``, which is also what ``torchrun -m scorefield`` starts."""

import sys

from scorefield.cli.main import main

sys.exit(main())
