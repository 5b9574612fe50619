"""The session description grammar shared by WebRTC and, later, SIP.

`grammar` holds lines and sections (RFC 8866), `attributes` the typed views of single attributes, `h264` the matching of
H.264 profiles and levels. What a description means for a call (offer and answer) belongs to the dialect that uses it.
"""
