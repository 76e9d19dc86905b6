"""Epochs: what is shown to the net, and how it is scored."""
