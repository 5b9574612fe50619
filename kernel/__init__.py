"""The ground floor: ids, clocks, errors, events, logs, tasks and words. Imports nothing of the house."""
