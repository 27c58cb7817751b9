"""The commands of ``rtms-engine``, a module each."""
