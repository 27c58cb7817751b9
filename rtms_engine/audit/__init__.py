"""What was kept, deleted and revoked, so that it can be shown later: ids and causes, no content, no names."""
