"""Schema changes, applied in the order of their numbers and never edited once landed (``admin.db.migrate``)."""
