"""Rooms and settings: typed models, a loader that says where each mistake is, and a watcher."""
