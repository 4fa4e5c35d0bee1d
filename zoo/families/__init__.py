"""One folder a family of models: table of variants, builder, names of foreign weights."""
