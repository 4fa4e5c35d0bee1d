"""Names of the networks that are trained from random weights, by what they learn from; the zoo builds them."""

# Of pictures; those of the zoo's registry may be trained so too.
CNN = "cnn"
TABLE = ("mlp", "linear")
SERIES = ("mlp", "linear", "lstm", "gru", "bilstm", "cnn1d", "cnn_lstm")
