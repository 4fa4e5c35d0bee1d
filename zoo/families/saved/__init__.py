"""Models of the user's as backbones: a run directory of `finetune fit`, or a .keras file."""
