"""Rows of the models of keras.applications.

Architectures: the functions of keras.applications 3.15, each citing its paper. Reported accuracy: the table on
https://keras.io/api/applications and, for MobileNetV3, the docstrings of its functions.

Parameters are counted with the zoo's head, average pooling and one Dense layer of 1000 outputs, and leave out what is
not trained. The table on keras.io counts both the moving statistics and the model's own head, which is larger for VGG
(three Dense layers on the flattened map: 138 million parameters instead of 15), MobileNetV3 and ConvNeXt.

Means and standard deviations are those of each module's `preprocess_input` or, where that does nothing, of the layers
that Keras puts into the model. For EfficientNetB0 to B7 they hold for the published weights, whose Normalization layer
has standard deviations where variances belong and is put right by a second layer
(https://github.com/tensorflow/tensorflow/issues/49930): together (x / 255 - mean) / std. Keras does not say how it
crops and resizes for its table; the rows follow the evaluations of the models' authors as far as those are known.

Weights are those that Keras publishes, ImageNet-1k for all (ConvNeXt and EfficientNetV2 as fine-tuned on it). Keras
fetches them over https and pins most of them by MD5 sums, so the rows have no SHA-256. Licences are those that
https://keras.io/api/applications and the authors' repositories state.
"""

from types import MappingProxyType

from zoo.spec import FromLibrary, Preprocessing, Variant, Weights

# channel order, mean and standard deviation of red, green, blue
_PIXELS = {
    "unit": ("rgb", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "half": ("rgb", (128.0, 128.0, 128.0), (128.0, 128.0, 128.0)),
    "imagenet": ("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "caffe": ("bgr", (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
}

# Smallest side in pixels where it is not 32: Keras' own limits.
_MIN_IMAGE_SIZES = {"Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75}

# By how the function's name begins; "" is all others.
_LICENCES = {"VGG": "CC-BY-4.0", "ConvNeXt": "MIT", "ResNet": "MIT", "": "Apache-2.0"}

# How the names of Keras' files begin, where not as the function's name in small letters.
_CACHED = {
    "MobileNetV3Small": "weights_mobilenet_v3_small_224_1.0_float",
    "MobileNetV3Large": "weights_mobilenet_v3_large_224_1.0_float",
    "MobileNetV2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224",
    "MobileNet": "mobilenet_1_0_224_tf",
    "InceptionV3": "inception_v3_weights",
    "InceptionResNetV2": "inception_resnet_v2_weights",
    "NASNetMobile": "nasnet_mobile",
    "NASNetLarge": "nasnet_large",
    **{f"ResNet{size}{kind}": f"resnet{size}{kind.lower()}_weights" for kind in ("V2", "") for size in (50, 101, 152)},
    **{f"EfficientNetV2{size}": f"efficientnetv2-{size.lower()}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")},
    **{f"ConvNeXt{size}": f"convnext_{size.lower()}" for size in ("Tiny", "Small", "Base", "Large")},
}

# Layers with weights behind the pooled features in Keras' own classifiers, where these are not one plain layer; 0 where
# a file with them cannot be told from one without, because a layer before pooling has become one behind it.
_OWN_HEADS = {"VGG": 3, "MobileNetV3": 2, "ConvNeXt": 0}

# pixels, interpolation, crop; None is size / (size + 32), as Google's EfficientNets crop
_SLIM = ("unit", "bicubic", 0.875)
_MOBILE = ("unit", "bilinear", 0.875)
_CAFFE = ("caffe", "bilinear", 0.875)
_EFFICIENT = ("imagenet", "bicubic", None)
_EFFICIENT_LARGE = ("half", "bicubic", 1.0)
_CONVNEXT = ("imagenet", "bicubic", 0.875)

# name, function, image side, preparation, dropout in Keras, reported ImageNet top-1, trainable parameters
_ROWS = (
    ("mobilenet", "MobileNet", 224, _MOBILE, 0.001, 70.4, 4_231_976),
    ("mobilenet_v2", "MobileNetV2", 224, _MOBILE, 0.0, 71.3, 3_504_872),
    ("mobilenet_v3_small", "MobileNetV3Small", 224, _MOBILE, 0.2, 68.1, 1_504_008),
    ("mobilenet_v3_large", "MobileNetV3Large", 224, _MOBILE, 0.2, 75.6, 3_932_952),
    ("efficientnet_b0", "EfficientNetB0", 224, _EFFICIENT, 0.2, 77.1, 5_288_548),
    ("efficientnet_b1", "EfficientNetB1", 240, _EFFICIENT, 0.2, 79.1, 7_794_184),
    ("efficientnet_b2", "EfficientNetB2", 260, _EFFICIENT, 0.3, 80.1, 9_109_994),
    ("efficientnet_b3", "EfficientNetB3", 300, _EFFICIENT, 0.3, 81.6, 12_233_232),
    ("efficientnet_b4", "EfficientNetB4", 380, _EFFICIENT, 0.4, 82.9, 19_341_616),
    ("efficientnet_b5", "EfficientNetB5", 456, _EFFICIENT, 0.4, 83.6, 30_389_784),
    ("efficientnet_b6", "EfficientNetB6", 528, _EFFICIENT, 0.5, 84.0, 43_040_704),
    ("efficientnet_b7", "EfficientNetB7", 600, _EFFICIENT, 0.5, 84.3, 66_347_960),
    ("efficientnet_v2_b0", "EfficientNetV2B0", 224, _EFFICIENT, 0.2, 78.7, 7_139_704),
    ("efficientnet_v2_b1", "EfficientNetV2B1", 240, _EFFICIENT, 0.2, 79.8, 8_141_052),
    ("efficientnet_v2_b2", "EfficientNetV2B2", 260, _EFFICIENT, 0.2, 80.5, 10_096_086),
    ("efficientnet_v2_b3", "EfficientNetV2B3", 300, _EFFICIENT, 0.2, 82.0, 14_358_406),
    ("efficientnet_v2_s", "EfficientNetV2S", 384, _EFFICIENT_LARGE, 0.2, 83.9, 21_458_488),
    ("efficientnet_v2_m", "EfficientNetV2M", 480, _EFFICIENT_LARGE, 0.2, 85.3, 54_139_356),
    ("efficientnet_v2_l", "EfficientNetV2L", 480, _EFFICIENT_LARGE, 0.2, 85.7, 118_515_272),
    ("convnext_tiny", "ConvNeXtTiny", 224, _CONVNEXT, 0.0, 81.3, 28_589_128),
    ("convnext_small", "ConvNeXtSmall", 224, _CONVNEXT, 0.0, 82.3, 50_223_688),
    ("convnext_base", "ConvNeXtBase", 224, _CONVNEXT, 0.0, 85.3, 88_591_464),
    ("convnext_large", "ConvNeXtLarge", 224, _CONVNEXT, 0.0, 86.3, 197_767_336),
    ("vgg16", "VGG16", 224, _CAFFE, 0.0, 71.3, 15_227_688),
    ("vgg19", "VGG19", 224, _CAFFE, 0.0, 71.3, 20_537_384),
    ("xception", "Xception", 299, _SLIM, 0.0, 79.0, 22_855_952),
    ("inception_v3", "InceptionV3", 299, _SLIM, 0.0, 77.9, 23_817_352),
    ("inception_resnet_v2", "InceptionResNetV2", 299, _SLIM, 0.0, 80.3, 55_813_192),
    ("resnet50_keras", "ResNet50", 224, _CAFFE, 0.0, 74.9, 25_583_592),
    ("resnet101_keras", "ResNet101", 224, _CAFFE, 0.0, 76.4, 44_601_832),
    ("resnet152_keras", "ResNet152", 224, _CAFFE, 0.0, 76.6, 60_268_520),
    ("resnet50_v2", "ResNet50V2", 224, _SLIM, 0.0, 76.0, 25_568_360),
    ("resnet101_v2", "ResNet101V2", 224, _SLIM, 0.0, 77.2, 44_577_896),
    ("resnet152_v2", "ResNet152V2", 224, _SLIM, 0.0, 78.0, 60_236_904),
    ("nasnet_mobile", "NASNetMobile", 224, _SLIM, 0.0, 74.4, 5_289_978),
    ("nasnet_large", "NASNetLarge", 331, _SLIM, 0.0, 82.5, 88_753_150),
)


def _blocks(letters: str) -> str:
    """Return the last layers of an EfficientNet's blocks 1, 2, 3 and 5, whose repeats are lettered from a."""
    ends = [f"block{number}{letter}_add" for number, letter in zip((1, 2, 3, 5), letters, strict=True)]
    return " ".join([*ends, "top_activation"])


def _resnet(third: int, fourth: int) -> str:
    return f"conv1_relu conv2_block3_out conv3_block{third}_out conv4_block{fourth}_out conv5_block3_out"


def _resnet_v2(third: int, fourth: int) -> str:
    # the last block of a stack halves the picture already
    return f"conv1_conv conv2_block2_out conv3_block{third - 1}_out conv4_block{fourth - 1}_out post_relu"


# function: last layer before each halving of the picture, and the last of all; "-" where a picture is never that large
_STAGES = {
    "MobileNet": "conv_pw_1_relu conv_pw_3_relu conv_pw_5_relu conv_pw_11_relu conv_pw_13_relu",
    "MobileNetV2": "expanded_conv_project_BN block_2_add block_5_add block_12_add out_relu",
    "MobileNetV3Small": "activation expanded_conv_project_bn expanded_conv_2_add expanded_conv_7_add activation_17",
    "MobileNetV3Large": "expanded_conv_add expanded_conv_2_add expanded_conv_5_add expanded_conv_11_add activation_19",
    "EfficientNetB0": "block1a_project_bn block2b_add block3b_add block5c_add top_activation",
    "EfficientNetB1": _blocks("bccd"),
    "EfficientNetB2": _blocks("bccd"),
    "EfficientNetB3": _blocks("bcce"),
    "EfficientNetB4": _blocks("bddf"),
    "EfficientNetB5": _blocks("ceeg"),
    "EfficientNetB6": _blocks("cffh"),
    "EfficientNetB7": _blocks("dggj"),
    "EfficientNetV2B0": "block1a_project_activation block2b_add block3b_add block5e_add top_activation",
    "EfficientNetV2B1": _blocks("bccf"),
    "EfficientNetV2B2": _blocks("bccf"),
    "EfficientNetV2B3": _blocks("bccg"),
    "EfficientNetV2S": _blocks("bddi"),
    "EfficientNetV2M": _blocks("ceen"),
    "EfficientNetV2L": _blocks("dggs"),
    "ConvNeXtTiny": "- add_2 add_5 add_14 layer_normalization",
    **dict.fromkeys(("ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge"), "- add_2 add_5 add_32 layer_normalization"),
    "VGG16": "block2_conv2 block3_conv3 block4_conv3 block5_conv3 block5_pool",
    "VGG19": "block2_conv2 block3_conv4 block4_conv4 block5_conv4 block5_pool",
    "Xception": "block1_conv2_act add add_1 add_10 block14_sepconv2_act",
    "InceptionV3": "activation_2 activation_4 mixed2 mixed7 mixed10",
    "InceptionResNetV2": "activation_2 activation_4 block35_10_ac block17_20_ac conv_7b_ac",
    "ResNet50": _resnet(4, 6),
    "ResNet101": _resnet(4, 23),
    "ResNet152": _resnet(8, 36),
    "ResNet50V2": _resnet_v2(4, 6),
    "ResNet101V2": _resnet_v2(4, 23),
    "ResNet152V2": _resnet_v2(8, 36),
    "NASNetMobile": "stem_bn1 reduction_concat_stem_1 normal_concat_3 normal_concat_8 activation_187",
    "NASNetLarge": "stem_bn1 reduction_concat_stem_1 normal_concat_5 normal_concat_12 activation_259",
}


def stage_layers(function: str) -> dict[str, str]:
    """Return the layers that end the stages of a model: "stage1" leaves half of the picture, "stage5" a 32nd.

    ConvNeXt has no "stage1": its stem goes to a quarter at once. VGG's first convolutions, which keep the size of the
    picture, belong to no stage.

    Args:
        function: name of the model's function in keras.applications, as in the arguments of its row.

    Example:
        >>> stage_layers("MobileNet")["stage5"]
        'conv_pw_13_relu'
    """
    names = enumerate(_STAGES[function].split(), start=1)
    return {f"stage{number}": layer for number, layer in names if layer != "-"}


def _variant(
    name: str,
    function: str,
    image_size: int,
    preparation: tuple[str, str, float | None],
    dropout: float,
    top1: float,
    parameters: int,
) -> Variant:
    pixels, interpolation, crop = preparation
    order, mean, std = _PIXELS[pixels]
    arguments = {"function": function}
    if order != "rgb":
        arguments["channel_order"] = order
    if function in _MIN_IMAGE_SIZES:
        arguments["min_image_size"] = _MIN_IMAGE_SIZES[function]
    fraction = round(image_size / (image_size + 32), 4) if crop is None else crop
    preprocessing = Preprocessing(image_size, mean, std, interpolation, fraction)
    licence = next(licence for prefix, licence in _LICENCES.items() if function.startswith(prefix))
    cached = next((file for prefix, file in _CACHED.items() if function.startswith(prefix)), function.lower())
    weights = Weights(
        tag=f"{name}.keras",
        sha256="",
        licence=licence,
        num_classes=1000,
        preprocessing=preprocessing,
        source=FromLibrary("Keras", cached),
        top1=top1,
        naming="keras",
    )
    return Variant(
        name=name,
        family="applications",
        parameters=parameters,
        preprocessing=preprocessing,
        arguments=MappingProxyType(arguments),
        dropout=dropout,
        weights=(weights,),
        reported_top1=top1,
    )


VARIANTS = tuple(_variant(*row) for row in _ROWS)
BY_NAME = MappingProxyType({variant.name: variant for variant in VARIANTS})


def own_head(function: str) -> int | None:
    """Return how many layers with weights Keras' classifier has that is no head of ours; None where it is one.

    Args:
        function: name of the model's function in keras.applications.

    Example:
        >>> own_head("VGG16"), own_head("ResNet50")
        (3, None)
    """
    return next((count for prefix, count in _OWN_HEADS.items() if function.startswith(prefix)), None)
