"""Content at rest: in plain, or encrypted, behind the same few functions.

Every recording, log, raw folder and capture that an engine with ``[encryption]`` begins gets a *data key*
of its own, 256 random bits. It lies in the directory of keys (`keys`), wrapped by the master key of the
configuration, and nowhere else: who deletes that small file has deleted the recording, wherever copies of it lie.

`format` says what an encrypted file looks like, and `cipher` makes and reads it; both are pure. `sealed` reads and
writes such files by position, as `layout` does with plain ones, and `files` is the door for everybody else: it knows which directories
are to be encrypted (`Vault.cover`), and opens what is there, plain or not.
"""
