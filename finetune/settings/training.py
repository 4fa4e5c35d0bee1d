"""Settings of the training: which model, which of its parts learn, and how."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from finetune.settings.phase import PhaseSettings, Schedules
from finetune.settings.record import Names, Settings, listed, parsed

Activations = Literal["auto", "relu", "leaky_relu", "elu", "selu", "gelu", "tanh", "sigmoid"]
Optimizers = Literal[
    *("adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "adafactor"),
    *("lion", "lamb", "ftrl", "muon"),
]


class TrainingSettings(Settings):
    """What learns, and how. A field left at None (or "auto") is decided by the run.

    Attributes:
        model: name from `finetune models`, or "auto"; for tables mlp or linear, for series also lstm, gru, bilstm,
            cnn1d and cnn_lstm.
        units: of each hidden layer; None decides.
        activation: of hidden layers; "auto" is tanh for recurrent ones, else relu.
        l2: penalty on the weights of hidden layers.
        method: of pretrained networks: "head" (the trunk is frozen, the head learns), "two_phase" (then the upper
            stages too), "gradual" (one stage more at a time), "full" (all of it), "reinit" (upper stages begin from
            random weights); "scratch" (all begins from them); "custom" (as `phases` say); or "auto".
        phases: of method custom, in a config file: a list of phases, each with `stages` that learn beside the head (how
            many of the last, all, or names), and where wanted name, reinit, epochs, patience, learning_rate, schedule.
        unfreeze: stages before the head that two_phase, gradual and reinit let learn; None decides.
        reinit: of these, how many begin from random weights in method reinit; None for 1.
        freeze: layers that never learn, by name or by patterns of whole names.
        bn: batch normalization in pretrained stages that learn: "frozen" keeps all of it, "statistics" lets the moving
            statistics follow, "train" lets the weights learn too.
        head_epochs: most epochs of the head alone, before the other phases of two_phase and gradual: a head that has
            learned few pictures by heart leaves nothing to learn for the stages below it.
        fine_tune_epochs: of each phase in which pretrained stages learn.
        fine_tune_factor: what the learning rate is multiplied by in those.
        weights: "imagenet", a full tag, or the path of a weights file.
        runtime: what runs the frozen part of a pretrained network over pictures: "keras", "keras_xla" or "openvino"
            (the same numbers to five digits), or one in half precision, "openvino_bf16", "keras_bf16", "keras_fp16",
            "keras_bf16_xla" or "keras_fp16_xla" (others in the second digit; the test side is judged in float32).
            "auto" takes the fastest, "auto_float32" that of the first three. The finished model is a Keras model in
            float32 whatever ran.
        augmentation: how much training pictures differ from epoch to epoch; "none", "light" (mirrored and moved),
            "medium" (also turned, zoomed, lighter and darker) or "strong".
        cached_views: changed versions of each picture that a frozen part is run over where pictures are augmented;
            epochs take turns with them and the picture itself. 0: the whole network runs in every epoch instead.
        mixup: parameter of the Beta distribution that blends two pictures; 0 for none. The whole network runs in every
            epoch then.
        cutmix: the same for patches of one picture in another.
        epochs: most passes over the training set; None: 60 for pictures, 200 for rows.
        patience: epochs without a lower validation loss before training stops; the best weights are kept. None: 8 for
            pictures, 20 for rows.
        batch_size: examples a step, in training and in the trunk; None: 32 for pictures, 16 to 1024 for rows.
        learning_rate: the highest of the optimizer's; None: 0.001 for pictures, 0.005 for rows.
        optimizer: by name; momentum and nesterov are SGD with it.
        momentum: of optimizers momentum, nesterov and rmsprop; sgd has none.
        weight_decay: share of each weight that is taken away a step, times the learning rate; not of biases and norms.
            Without it adamw is adam.
        schedule: how the learning rate goes over a phase; "auto" is one_cycle for pictures from random weights and
            where pretrained stages learn (that goes to its end, and its last epoch is kept unless its validation
            accuracy is worse than what the phase began with by more than one standard error), else constant; plateau
            lowers it when the validation loss stands still.
        warmup_epochs: over which the learning rate grows from 0, before any schedule.
        decay_factor: of schedules step, exponential and plateau: what the rate is multiplied by; of inverse_time: what
            is added to its divisor, which is 1 at first.
        decay_epochs: in which that happens once; of cosine_restarts the first period, of plateau the patience. None: a
            third of the phase, of plateau a third of `patience`.
        end_factor: share of the learning rate that polynomial and cosine end at.
        layer_decay: what the learning rate is multiplied by from each stage to the one below it; 1 for all the same.
        clip_value: largest element of a gradient. At most one of the three clips is set.
        clip_norm: largest norm of one variable's gradient.
        global_clip_norm: largest norm of all gradients together.
        accumulation_steps: batches whose gradients make one step.
        ema: momentum of averaged weights, which are then what is validated and kept; None for none.
        loss: "auto" by the task; crossentropy, focal; mse, mae, huber, quantile.
        label_smoothing: share of each class's probability that is spread over all.
        focal_gamma: how much focal turns from what is easy; 0 is cross-entropy.
        huber_delta: where huber turns from squared to absolute, in standard deviations of the target.
        quantile: that loss=quantile estimates.
        dropout: rate before the classifier; None takes that of the model.
        precision: that layers compute in while they learn; weights, the loss and the saved model stay float32. "auto"
            times a few steps, and keeps float32 unless another is 1.15 times as fast.
    """

    model: str = "auto"
    units: Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...] | None, BeforeValidator(listed)] = None
    activation: Activations = "auto"
    l2: float = Field(0.0, ge=0, le=10, allow_inf_nan=False)
    method: Literal["auto", "head", "two_phase", "gradual", "full", "reinit", "scratch", "custom"] = "auto"
    phases: Annotated[tuple[PhaseSettings, ...], BeforeValidator(parsed)] = ()
    unfreeze: Annotated[int | None, Field(ge=0, le=100)] = None
    reinit: Annotated[int | None, Field(ge=1, le=100)] = None
    freeze: Names = ()
    bn: Literal["frozen", "statistics", "train"] = "frozen"
    head_epochs: int = Field(5, ge=1, le=100_000)
    fine_tune_epochs: int = Field(15, ge=1, le=100_000)
    fine_tune_factor: float = Field(0.3, gt=0, le=1, allow_inf_nan=False)
    weights: str = "imagenet"
    runtime: Literal[
        *("auto", "auto_float32", "keras", "keras_xla", "keras_bf16", "keras_bf16_xla", "keras_fp16", "keras_fp16_xla"),
        *("openvino", "openvino_bf16"),
    ] = "auto"
    augmentation: Literal["none", "light", "medium", "strong"] = "none"
    cached_views: int = Field(8, ge=0, le=1000)
    mixup: float = Field(0.0, ge=0, le=10, allow_inf_nan=False)
    cutmix: float = Field(0.0, ge=0, le=10, allow_inf_nan=False)
    epochs: Annotated[int | None, Field(ge=1, le=100_000)] = None
    patience: Annotated[int | None, Field(ge=1)] = None
    batch_size: Annotated[int | None, Field(ge=1, le=65_536)] = None
    learning_rate: Annotated[float | None, Field(gt=0, le=10, allow_inf_nan=False)] = None
    optimizer: Optimizers = "adam"
    momentum: float = Field(0.9, ge=0, lt=1, allow_inf_nan=False)
    weight_decay: float = Field(0.0, ge=0, lt=1, allow_inf_nan=False)
    schedule: Schedules = "auto"
    warmup_epochs: float = Field(0.0, ge=0, le=100_000, allow_inf_nan=False)
    decay_factor: float = Field(0.1, gt=0, le=10, allow_inf_nan=False)
    decay_epochs: Annotated[float | None, Field(gt=0, le=100_000, allow_inf_nan=False)] = None
    end_factor: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    layer_decay: float = Field(1.0, gt=0, le=1, allow_inf_nan=False)
    clip_value: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    clip_norm: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    global_clip_norm: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    accumulation_steps: int = Field(1, ge=1, le=10_000)
    ema: Annotated[float | None, Field(gt=0, lt=1, allow_inf_nan=False)] = None
    loss: Literal["auto", "crossentropy", "focal", "mse", "mae", "huber", "quantile"] = "auto"
    label_smoothing: float = Field(0.0, ge=0, lt=1, allow_inf_nan=False)
    focal_gamma: float = Field(2.0, ge=0, le=10, allow_inf_nan=False)
    huber_delta: float = Field(1.0, gt=0, allow_inf_nan=False)
    quantile: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    dropout: Annotated[float | None, Field(ge=0, lt=1, allow_inf_nan=False)] = None
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
