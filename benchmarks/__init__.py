"""Timings, as ratios against a reference in the same run: machines differ, and are shared.

Each module answers one question and prints one JSON line. ``python -m benchmarks.decode`` runs one.
"""
