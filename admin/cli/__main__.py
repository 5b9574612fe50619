"""``python -m admin.cli``: the same as ``massalia``."""

from admin.cli.main import main

raise SystemExit(main())
