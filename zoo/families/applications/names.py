"""Names of arrays in foreign files for the models of keras.applications: none, their layers keep Keras' own names.

Those that Keras publishes come through Keras' own reader (`weights`). Files of the user's are matched by order, as
Keras does it (`zoo.weights.from_keras_arrays`): the layers with weights of a file and those of our graph
(`model.layers`) come in one order. Names alone do not do, because automatic names in the files ("conv2d_94") depend on
what else the process that wrote them had built. The differences:

- EfficientNetB0 to B7: the files begin with the three arrays of a Normalization layer (mean, variance, count). They are
  not part of our graph: the row's mean and std say the same.
- ConvNeXt: a stem or downsampling block is one group of the file and two layers of ours, in the same order of arrays.
- The classifier: files with "notop" or "no_top" in their names have none. In the others it comes last, a Dense layer
  "predictions" or, for MobileNet, a 1x1 convolution "conv_preds" whose kernel (1, 1, in, out) is our (in, out). The
  classifiers of VGG (three Dense layers on the flattened map), MobileNetV3 (a convolution between) and ConvNeXt (a
  LayerNormalization after pooling) are no plain layer on the pooled features and cannot be taken over; `own_head` in
  the table counts their layers.
"""

from zoo.spec import Naming

NAMINGS: dict[str, Naming] = {}
