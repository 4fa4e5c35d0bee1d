"""EfficientNet-Lite: EfficientNet without squeeze-excite, with ReLU6, for plain integer and CPU arithmetic."""
