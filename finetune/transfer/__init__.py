"""What of a pretrained model stays frozen, and its cached features."""
