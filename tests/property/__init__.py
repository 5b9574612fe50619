"""Properties over generated input (Hypothesis) and seeded fuzzing within a time budget (``--fuzz-seconds``)."""
