"""Values: ids, products, media, frames, events, signals, reasons.

Everything that the rest of the engine passes around, and nothing that acts: no I/O, no clock, no
logging. Every value is a frozen `msgspec.Struct`.
"""
