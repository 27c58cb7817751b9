"""The composition root, a room for each idea; `Engine` knows them all, and they do not know each other.

===========  =======================================================================================
`terms`      what a configuration says of everything that begins while it is in force
`intake`     what webhooks say: made durable, then acted on; also after a restart of the engine
`joining`    from an announced stream to its worker and sinks, if it may be joined
`at_zoom`    what is asked of Zoom: pause, resume, and start again what ended for a technical reason
`stories`    what happened to each stream, remembered and kept
`notices`    what is told to those who want to be notified
`deletion`   what is deleted, when, and because of whom
`vitals`     how the loop and the processes fare
`api`        the HTTP API, built of its operations
`engine`     the order in which all of it starts, works together and ends
===========  =======================================================================================
"""

from .engine import Engine

__all__ = ["Engine"]
