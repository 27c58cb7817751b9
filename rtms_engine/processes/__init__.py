"""Several processes for one engine, so that it uses every core.

The engine's own process keeps the webhooks, the journal and the supervisor. To the supervisor each
stream is a `remote.RemoteStream`, which has a place in one of the `pool`'s processes; there a
`host.Host` runs it by a worker as in an engine of one process. They speak in `messages` over a
`channel`. A process that dies takes nothing with it: its streams begin anew in another, as after a
restart of the engine.
"""
