"""Recurrent networks over series: LSTM, GRU, both directions, and convolutions before an LSTM."""
