"""ResNet and ResNeXt: residual blocks of two 3x3 convolutions, or of a bottleneck, whole or in groups."""
