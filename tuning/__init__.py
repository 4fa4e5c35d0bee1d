"""Search of hyperparameters over many fine-tuning runs. To come next: the command says so."""
