"""Discord through discord.py. Importing this package imports no client: ``adapter`` does, where it is configured."""
