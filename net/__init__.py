"""The one way out to other people's servers: an address that may be reached, and an answer within its limits."""
