"""Decisions without I/O: events and time go in, commands and bytes come out.

Nothing here knows a socket, a task, a clock or a file. Times called ``now`` are monotonic seconds,
handed in. So every rule of V1.md can be tested as a script that runs in microseconds.

* `signaling.SignalingProtocol` speaks one signaling connection, `media.MediaProtocol` one media
  connection. Both are used once; a reconnect builds new ones.
* `lifecycle.StreamLifecycle` decides when to connect, reconnect and finish. It never sees bytes.
* `video_choice.VideoChoice` decides whose camera to ask for.
"""
