"""Trains and serves GluonCV image classifiers as an Amazon SageMaker container."""

__version__ = "0.1.0"
