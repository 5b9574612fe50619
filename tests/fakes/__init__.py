"""Scriptable stand-ins for the parts a test does not run."""
