"""Pretrained weights: where they are, how they are read without running code, how they meet a model."""
