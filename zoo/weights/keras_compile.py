"""A Keras model's compile_config as data: never built, only refused when it names what is not Keras'."""

from zoo.weights.keras_names import COMPILE_FUNCTIONS, COMPILE_MODULES
from zoo.weights.weight_file import Refused, shown

_REMEDY = (
    "Only what Keras itself has is accepted there. Where you trust the model, save it without: "
    "keras.Model(model.inputs, model.outputs).save('new.keras')."
)


def check_compile_config(config: object) -> None:
    """Check how a model was compiled; a model that is loaded here comes uncompiled.

    Args:
        config: what stands under compile_config, of bounded depth.

    Raises:
        Refused: it holds an object that is no optimizer, schedule, loss or metric of Keras.
    """
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            if "class_name" in value:
                _check_object(value)
            waiting += value.values()


def _check_object(value: dict[str, object]) -> None:
    name, module, registered = (value.get(key) for key in ("class_name", "module", "registered_name"))
    if name == "function":
        name = value.get("config")
        good = isinstance(name, str) and name in COMPILE_FUNCTIONS and registered in (None, name)
        good = good and (module == "builtins" or module in COMPILE_MODULES)
    else:
        # A class that these modules lack is refused nowhere, for nothing looks it up.
        good = isinstance(name, str) and name[:1].isupper() and name.isidentifier()
        good = good and isinstance(module, str) and module in COMPILE_MODULES and registered in (None, name)
    if not good:
        path = ".".join(part if isinstance(part, str) else type(part).__name__ for part in (module, name))
        raise Refused(f"its compile_config holds {shown(path)}", _REMEDY)
