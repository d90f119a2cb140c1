"""Source files: opened, placed on the Earth, described."""
