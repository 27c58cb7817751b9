"""What the engine tells others of its streams and recordings, by signed webhooks: that something happened, no content.

`progress` reads it off a stream's story and its recordings; `notifier` hands it to those who want it.
"""
