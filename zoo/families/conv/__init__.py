"""Plain convolutional networks over pictures and over series."""
