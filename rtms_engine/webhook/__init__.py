"""Webhooks in, signals out: `verify` and `parse` are pure, `receiver` is the HTTP around them (V1.md §1)."""
