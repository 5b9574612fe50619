"""Tests of the whole house; see each folder's name."""
