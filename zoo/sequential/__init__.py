"""What the Sequential families share: checks of arguments, hidden layers, convolutions and outputs by task."""
