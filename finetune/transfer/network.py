"""A whole network as one flat graph that can be cut between stages: what is below runs once, what is above learns."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import keras

import zoo
from finetune.tasks import Scale, Task, finish

# Names of cuts beside the stages': the raw inputs, and what a linear head takes.
INPUTS, FEATURES = "inputs", "features"
HEAD = "head"


@dataclass(frozen=True)
class Network:
    """Trunk and head as one graph; views of it share its layers, so what they learn the network has learned.

    Attributes:
        model: raw inputs to logits.
        cuts: where it can be cut, from the inputs to the head: each name gives the only tensor that layers behind it
            take from before it.
    """

    model: keras.Model
    cuts: Mapping[str, keras.KerasTensor]

    @cached_property
    def stages(self) -> Mapping[str, tuple[keras.Layer, ...]]:
        """Layers with weights by stage, from the first to "head"; each stage ends at the cut of its name."""
        found: dict[str, tuple[keras.Layer, ...]] = {}
        seen: set[int] = set()
        ends = [(name, tensor) for name, tensor in self.cuts.items() if name not in (INPUTS, FEATURES)]
        for name, tensor in [*ends, ("", self.cuts[FEATURES]), (HEAD, self.model.output)]:
            # what lies between the last stage and the head belongs to the stage
            name = name or (ends[-1][0] if ends else "trunk")
            layers = (
                keras.Model(self.model.inputs, tensor).layers
                if all(tensor is not one for one in self.model.inputs)
                else []
            )
            new = tuple(layer for layer in layers if id(layer) not in seen and layer.weights)
            seen.update(id(layer) for layer in layers)
            if new:
                found[name] = (*found.get(name, ()), *new)
        return found

    def below(self, cut: str) -> keras.Model:
        """Return the part from the raw inputs to a cut."""
        return keras.Model(self.model.inputs, self.cuts[cut], name=f"below_{cut}")

    def above(self, cut: str) -> keras.Model:
        """Return the part from a cut to the logits."""
        return self.model if cut == INPUTS else keras.Model(self.cuts[cut], self.model.output, name=f"above_{cut}")

    def cut_below(self, stage: str) -> str:
        """Return the cut that has all layers of a stage and those after it above it, and no others."""
        if stage == HEAD:
            return FEATURES
        names = [name for name in self.stages if name != HEAD]
        place = names.index(stage)
        return names[place - 1] if place else INPUTS

    def finished(self, task: Task, scale: Scale | None) -> keras.Model:
        """Return the model that is kept: raw inputs to probabilities or numbers."""
        return keras.Model(self.model.inputs, finish(self.model.output, task, scale), name=self.model.name)


def make_network(trunk: keras.Model, head: keras.Model, *, staged: bool) -> Network:
    """Return trunk and head as one network, with copies of the head's layers.

    Args:
        trunk: raw inputs to features; one without layers leaves all to the head.
        head: features to logits, one layer after the other; without a trunk any graph.
        staged: whether the trunk has stages of the zoo's at which it can be cut too.
    """
    if trunk.output is trunk.input:
        return Network(head, {INPUTS: head.input, FEATURES: head.input})
    x = trunk.output
    for layer in head.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            copy = type(layer).from_config(layer.get_config())
            x = copy(x)
            copy.set_weights(layer.get_weights())
    model = keras.Model(trunk.inputs if isinstance(trunk.input, list) else trunk.input, x, name=trunk.name)
    stages = zoo.stage_outputs(trunk) if staged else {}
    found = {name: tensor for name, tensor in stages.items() if _cuts(model, tensor)}
    return Network(model, {INPUTS: model.input, **found, FEATURES: trunk.output})


def _cuts(model: keras.Model, tensor: keras.KerasTensor) -> bool:
    """Whether everything behind a tensor takes nothing else from before it."""
    try:
        keras.Model(tensor, model.output)
    except ValueError:
        return False
    return True
