"""What a Keras model's config.json may name: classes, activations, dtypes. A table; what is not in it is refused."""

_CONVOLUTIONS = (
    "Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D "
    "SeparableConv1D SeparableConv2D"
)
_POOLINGS = (
    "MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D GlobalMaxPooling1D "
    "GlobalMaxPooling2D GlobalMaxPooling3D GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D"
)
_ACTIVATIONS = "Activation ReLU LeakyReLU PReLU ELU Softmax"
_NORMALIZATIONS = "BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization"
_DROPOUTS = (
    "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout "
    "ActivityRegularization"
)
_SHAPES = (
    "Flatten Reshape Permute RepeatVector Masking Identity Cropping1D Cropping2D Cropping3D ZeroPadding1D "
    "ZeroPadding2D ZeroPadding3D UpSampling1D UpSampling2D UpSampling3D"
)
_MERGES = "Add Subtract Multiply Average Maximum Minimum Concatenate Dot"
# Also what Bidirectional may wrap: it copies its layer, so that one within another would double with every level.
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_PREPROCESSING = (
    "Rescaling Normalization Resizing CenterCrop RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast "
    "RandomBrightness RandomCrop"
)

# Wrappers, and their settings that hold a layer.
WRAPPERS = {"Bidirectional": ("layer", "backward_layer"), "TimeDistributed": ("layer",)}
# Classes of the public module keras.layers.
LAYERS = frozenset(
    " ".join(
        (
            *("InputLayer Dense Embedding", _CONVOLUTIONS, _POOLINGS, _ACTIVATIONS, _NORMALIZATIONS, _DROPOUTS),
            *(_SHAPES, _MERGES, _PREPROCESSING, *RECURRENT, *WRAPPERS),
        )
    ).split()
)
# Layers that keras.applications defines for ConvNeXt and InceptionResNetV2, and arithmetic on a model's tensors, which
# MobileNetV3 uses; both in modules that Keras does not publish.
APPLICATION_LAYERS = frozenset({"LayerScale", "StochasticDepth", "CustomScaleLayer"})
OPERATIONS = frozenset({"Add", "Subtract", "Multiply", "TrueDivide", "Flip"})
# Our own: module and registered name.
OUR_LAYERS = {
    "GroupedConv2D": ("zoo.blocks", "zoo>GroupedConv2D"),
    "FillMissing": ("zoo.filling", "zoo>FillMissing"),
    "Standardize": ("zoo.scaling", "zoo>Standardize"),
    "Unstandardize": ("zoo.scaling", "zoo>Unstandardize"),
}

RUNS_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
READS_FILES = frozenset({"StringLookup", "IntegerLookup", "TextVectorization"})

ACTIVATIONS = frozenset(
    "linear relu relu6 leaky_relu elu selu celu gelu glu silu swish mish softmax log_softmax softplus softsign sigmoid "
    "log_sigmoid hard_sigmoid hard_silu hard_swish hard_tanh hard_shrink soft_shrink tanh tanh_shrink exponential "
    "threshold squareplus sparse_plus sparse_sigmoid sparsemax".split()
)
DTYPES = frozenset(
    "float16 bfloat16 float32 float64 mixed_float16 mixed_bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "bool".split()
)
# Layers that may take texts, whose dtype is "string".
TAKE_TEXTS = frozenset({"InputLayer", "StringLookup"})
# Settings whose names end so hold an object of this module and one of these classes.
OBJECTS = {
    "initializer": (
        "keras.initializers",
        frozenset(
            "Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling GlorotNormal GlorotUniform "
            "HeNormal HeUniform LecunNormal LecunUniform Orthogonal OrthogonalInitializer Identity "
            "IdentityInitializer".split()
        ),
    ),
    "regularizer": ("keras.regularizers", frozenset("L1 L2 L1L2 OrthogonalRegularizer".split())),
    "constraint": ("keras.constraints", frozenset("MaxNorm MinMaxNorm NonNeg UnitNorm".split())),
}
# Settings that give a layer variables or a state that model.save does not write as a plain array.
MUST_BE_OFF = frozenset({"stateful", "lora_rank", "quantization_config"})

# What compile_config may name. It is never built; the functions are those of keras.losses and keras.metrics.
COMPILE_MODULES = frozenset({"keras.optimizers", "keras.optimizers.schedules", "keras.losses", "keras.metrics"})
COMPILE_FUNCTIONS = frozenset(
    "binary_accuracy binary_crossentropy binary_focal_crossentropy categorical_accuracy categorical_crossentropy "
    "categorical_focal_crossentropy categorical_generalized_cross_entropy categorical_hinge circle "
    "concordance_correlation cosine_similarity ctc dice hinge huber kl_divergence log_cosh mean_absolute_error "
    "mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error pearson_correlation poisson "
    "sparse_categorical_accuracy sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge "
    "top_k_categorical_accuracy tversky".split()
)
