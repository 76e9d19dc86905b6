"""The queue, and the processes that compute."""
