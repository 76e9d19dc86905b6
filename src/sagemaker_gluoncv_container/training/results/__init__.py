"""What a job leaves: checkpoints, the kept models, the report."""
