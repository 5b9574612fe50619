"""Participants made by the program itself (aiortc): the demonstration's six people, and the probe that measures a
room.
"""
