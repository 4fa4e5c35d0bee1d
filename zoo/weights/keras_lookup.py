"""StringLookup layers in a model's config.json: accepted with their words in it, refused when they name a file."""

from collections.abc import Mapping

from zoo.weights.weight_file import Refused, shown

LOOKUP = "StringLookup"
# What a layer that turns listed words into numbers has; other settings are Keras' defaults or change nothing.
_ACCEPTED = {
    "num_oov_indices": (0, 1),
    "max_tokens": (None,),
    "idf_weights": (None,),
    "salt": (None,),
    "invert": (False,),
    "sparse": (False,),
    "pad_to_max_tokens": (False,),
    "output_mode": ("int", "one_hot", "multi_hot", "count"),
    "encoding": ("utf-8",),
}


def holds_words(config: object) -> bool:
    """Whether these settings of a lookup layer hold its words; otherwise they name a file, an address, or nothing."""
    words = config.get("vocabulary") if isinstance(config, dict) else None
    return is_word_list("vocabulary", words)


def is_word_list(key: object, value: object) -> bool:
    """Whether a setting is a list of words; they are a table's texts, of any length and with any letters."""
    return key == "vocabulary" and isinstance(value, list) and all(isinstance(word, str) for word in value)


def check_lookup(config: Mapping[str, object], name: str) -> None:
    """Check the settings of a layer that `holds_words`.

    Raises:
        Refused: a setting is none that a table's model has; some make Keras take memory by a number in the file.
    """
    for key, accepted in _ACCEPTED.items():
        value = config.get(key, accepted[0])
        if not any(value is one or (type(value) is type(one) and value == one) for one in accepted):
            listed = ", ".join(str(one) for one in accepted)
            raise Refused(f"layer {shown(name)} ({LOOKUP}) has {key} = {shown(str(value))}; {listed} accepted")
