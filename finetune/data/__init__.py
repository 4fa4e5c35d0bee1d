"""Where examples come from: sources, checks, splits, the one decoder and batches."""
