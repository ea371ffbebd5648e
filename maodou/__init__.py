"""The front door: settings, the command line, and the wiring of all parts."""
