"""The net, its weights, and how they change."""
