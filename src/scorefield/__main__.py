"""``python -m scorefield.cli``, which is also what ``torchrun -m scorefield.cli`` starts."""

import sys

from scorefield.cli.main import main

sys.exit(main())
