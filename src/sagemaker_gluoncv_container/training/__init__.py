"""The training job: `docker run IMAGE train`."""
