"""From a heap of pictures to channels: what `sagemaker-gluoncv prepare` does."""
