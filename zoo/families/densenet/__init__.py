"""DenseNet: every layer sees the outputs of all layers before it in its stage."""
