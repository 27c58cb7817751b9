"""One file to watch: a recording's folder becomes an MP4 file.

`source` finds out what is in the folder, `moving`, `slides` and `sound` make its tracks, `titles` the
subtitles and the chapters, and `movie` puts them together. Everything is read as it is needed, so a
recording of hours costs no more memory than one of minutes. Everything blocks.

FFmpeg (PyAV) decodes here what came from outside: in a command of its own, not in the engine.
"""
