"""Signalling: rooms, and the dialects by which people reach them.

For the composition root:

    rooms = signalling.rooms.registry.Rooms(clock, bus)
    rooms.apply(specs)                            # list[RoomSpec]; again at every change of the configuration
    media = signalling.media.MediaPlane(rooms, clock, settings.control_socket)
    await media.start()                           # connects to the engine, adopts what it finds there, keeps time
    endpoint = signalling.webrtc.endpoint.setup(app, rooms=rooms, media=media, settings=settings, clock=clock)
    ...                                           # /ws and /api/rooms/{slug}; `endpoint.metrics` for /metrics
    media.connected, media.synced                 # for /readyz
    await media.stop()                            # rooms stay in the engine for the next control plane

Doors: sdp <- rooms <- leg <- webrtc | media. Events for others (`rooms.events`) are published on the bus.
"""
