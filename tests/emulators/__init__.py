"""Local servers that speak the platforms' protocols, so that the real clients can be tested on loopback."""
