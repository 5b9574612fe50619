"""The web pages and watch points of the control plane, server-rendered. (Rooms' WebSocket: signalling.webrtc.)"""
