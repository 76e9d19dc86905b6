"""Pictures and their labels: what they are, where they lie, how they are read."""
