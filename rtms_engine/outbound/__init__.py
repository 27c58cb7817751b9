"""Webhooks that the engine sends: to addresses that somebody typed, over days if it must be.

`signing` says that a message is ours, `schedule` when it is sent again, `addresses` where to; the three
are pure. `queue` keeps messages on disk, `connector` and `post` are the way out, and `deliverer` brings
them together. Sinks use it, and so may whatever else has something to notify.
"""
