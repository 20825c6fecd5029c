"""Spacekey in an application's own process: ``Keys``, its parts, and the records that they return.

One ``Keys`` has one :class:`~spacekey.server.keys.inside.Inside`, which holds the system and decides as whom and in
whose transaction a call runs. ``workspaces``, ``tokens`` and ``reports`` call the functions of
:mod:`spacekey.resolvers` with it and turn what they return into the plain records of ``records``.
"""
