"""Bytes to messages and back, in Zoom's words (V1.md §3 to §6), for the engine and the simulator alike.

No sockets, no clock, no decisions. Zoom's numbers and spellings, Base64 and signatures exist only here.
"""
