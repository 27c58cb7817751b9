"""Where frames go: the contract (`base`), what is installed (`registry`), and the small built-ins."""
