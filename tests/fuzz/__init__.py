"""What reads bytes of others, fed with bytes that nobody should send: ``python -m tests.fuzz NAME``."""
