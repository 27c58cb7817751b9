"""Timings, as ratios against a reference in the same run: machines differ, and are shared.

Each module answers one question, in three sizes: ``smoke`` (does it still run; the numbers mean nothing),
``short`` and ``full``. ``python -m benchmarks`` runs a short set and prints a table; ``python -m
benchmarks.decode full`` runs one and prints one JSON line. `frame` is what they share; a new one is a module
with a ``QUESTION`` and a ``measure(size) → Result``, and a row in `frame.REGISTRY`.
"""
