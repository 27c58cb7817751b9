"""The recorder: one sink whose tracks share a time line.

Sound per participant and mixed, camera and share pictures, transcript, chat and events of one
stream land in one folder, described by its ``manifest.json``. Every file counts time from the
manifest's ``t0_ms`` (or ``offset_ms`` later, if its silence was trimmed away), and every file is usable
at any moment, also after the process was killed.

What needs no disk is pure: `timeline` (times to positions), `drift` (clocks against each other),
`h264` (bytes to access units) and `text` (sentences to subtitles).
"""
