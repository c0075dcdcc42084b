"""The command `gacnn`."""
