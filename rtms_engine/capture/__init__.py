"""What the wire said, kept in a file, and said again.

A capture is the stream as the engine met it at the border of `rtms_engine.transport`: every message of
every connection in both directions, the connections' beginnings and ends, and the webhooks of the stream;
each with the loop's time. `format` is the file; `tape` writes one, off the loop; `tee` is the connector that
listens; `reader` reads, also what a kill or a bad disk has left; `player` is the connector that says it
again; `summary` tells what is in a file; `scrub` takes the content out. Secrets never reach the disk:
`redact`.
"""
