"""Rooms: who is in, what they may do, what they see. Pure values and rules; see `registry.Rooms` for the way in."""
