"""The program: command line, logging. Nothing imports this package."""
