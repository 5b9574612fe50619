"""The database: pool, migrations, and the embedded server of ``massalia run``."""
