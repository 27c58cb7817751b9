"""Conversations with the outside: bytes only, pushed to a `Receiver`."""
