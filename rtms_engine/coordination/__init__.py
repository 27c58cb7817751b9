"""What must survive a crash of the engine: which webhooks it accepted, and which streams it owes.

`base` is the contract, `record` what a journal remembers of one stream; `memory` and `sqlite` keep
it. `lock` sees to it that a directory has one engine.
"""
