"""Dense networks: linear, logistic and softmax regression, and the multilayer perceptron."""
