"""The side of the server that speaks HTTP."""
