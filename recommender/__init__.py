"""What the group likes to read: feeds are fetched, parsed, deduplicated, ranked, and sent as digests."""
