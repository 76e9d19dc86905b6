"""The model server: `docker run IMAGE serve`."""
