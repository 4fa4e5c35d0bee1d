"""What can run the frozen part of a network, by name; no library is imported here."""

from dataclasses import dataclass

# Settings that leave it to the run: the fastest of all, or of those that give what Keras gives in float32.
AUTO, AUTO_FLOAT32 = "auto", "auto_float32"


@dataclass(frozen=True)
class Runtime:
    """One way to run a network.

    Attributes:
        name: as in settings.
        shown: in sentences.
        precision: "float32", "mixed_bfloat16" or "mixed_float16", as Keras names its policies.
        by_openvino: OpenVINO on the CPU, else Keras on whatever its backend computes on.
        xla: whether Keras has it compiled by XLA, which fuses layers; that takes seconds to minutes before the first
            picture.
    """

    name: str
    shown: str
    precision: str = "float32"
    by_openvino: bool = False
    xla: bool = False

    @property
    def exact(self) -> bool:
        """Whether its features are those of Keras in float32, to five digits; others differ by some percent."""
        return self.precision == "float32"


KERAS, KERAS_XLA = Runtime("keras", "Keras"), Runtime("keras_xla", "Keras with XLA", xla=True)
KERAS_BF16 = Runtime("keras_bf16", "Keras in bfloat16", "mixed_bfloat16")
KERAS_BF16_XLA = Runtime("keras_bf16_xla", "Keras in bfloat16 with XLA", "mixed_bfloat16", xla=True)
KERAS_FP16 = Runtime("keras_fp16", "Keras in float16", "mixed_float16")
KERAS_FP16_XLA = Runtime("keras_fp16_xla", "Keras in float16 with XLA", "mixed_float16", xla=True)
OPENVINO = Runtime("openvino", "OpenVINO", by_openvino=True)
OPENVINO_BF16 = Runtime("openvino_bf16", "OpenVINO in bfloat16", "mixed_bfloat16", by_openvino=True)

RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        *(KERAS, KERAS_XLA, KERAS_BF16, KERAS_BF16_XLA, KERAS_FP16, KERAS_FP16_XLA),
        *(OPENVINO, OPENVINO_BF16),
    )
}
# What auto chooses from, the first being tried before the others.
ON_CPU = (OPENVINO, KERAS, OPENVINO_BF16)
ON_GPU = (KERAS, KERAS_BF16, KERAS_FP16, KERAS_XLA, KERAS_BF16_XLA, KERAS_FP16_XLA)


def with_xla(runtime: Runtime) -> Runtime:
    """Return the same on Keras with XLA."""
    return RUNTIMES[f"{runtime.name}_xla"]


def in_float32(wanted: str) -> str:
    """Return the setting that a setting stands for where features must be those of Keras in float32."""
    if wanted == AUTO:
        return AUTO_FLOAT32
    if wanted not in RUNTIMES or RUNTIMES[wanted].exact:
        return wanted
    return (OPENVINO if RUNTIMES[wanted].by_openvino else KERAS).name


class CannotRun(Exception):
    """A runtime cannot run a network; the text is the reason in one line."""
