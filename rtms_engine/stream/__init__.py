"""One stream at work: the machines of `rtms_engine.protocol` joined to transports, tasks and sinks."""
