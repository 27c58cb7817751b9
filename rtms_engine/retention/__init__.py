"""Deletion is a promise: by time, by the account that removes the app, and by Zoom's revocation."""
