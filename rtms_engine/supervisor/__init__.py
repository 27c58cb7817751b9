"""Which streams there are: started, steered and ended by what the webhooks say."""
