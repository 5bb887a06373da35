"""Of what a picture is, and the caption that follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_OWN_LINES = ("what", "predicted", "label", "by")
_SHARED_LINES = {("method", "target"): " of ", ("unit", "channel"): ", ", ("episode", "step"): ", "}


@dataclass(frozen=True)
class Shown:
    """Of what a picture is.

    Attributes:
        what: in words, where the picture is the only one of its kind, such as "the dream".
        model: whose answer it shows.
        method: that made it.
        layer: of the network.
        unit, channel: their numbers in the layer.
        target: what is explained in it, such as a label, an action or "left - right".
        predicted: the label with the network's highest score, and its probability.
        label: the class that the image belongs to; "labelled …" beside what was predicted.
        by: the policy, or the recording, that it is of.
        image: the title or the path of the image.
        episode, step: where in a recording it was seen.
        values: what was measured, as written; a name may be empty.
        notes: what else has to be known to read the picture.
        headed: names of these attributes that the heading over the picture has, so that its caption
            need not; those of the model and the layer always have.
    """

    what: str = ""
    model: str = ""
    method: str = ""
    layer: str = ""
    unit: int | None = None
    channel: int | None = None
    target: str = ""
    predicted: str = ""
    label: str = ""
    by: str = ""
    image: str = ""
    episode: int | None = None
    step: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    headed: tuple[str, ...] = ()

    @property
    def caption(self) -> list[str]:
        """What stands under the picture, in lines."""
        said = {name: value for name, value in self.facts.items() if name not in self.headed}
        lines = [said.get(name, "") for name in _OWN_LINES]
        for names, between in _SHARED_LINES.items():
            lines.append(between.join(said[name] for name in names if name in said))
        lines.append(", ".join(f"{name} {value}".lstrip() for name, value in self.values.items()))
        lines += [said.get("image", ""), *self.notes]
        return [line for line in lines if line]

    @property
    def facts(self) -> dict[str, str]:
        """What is known besides values and notes, in words, by the name of the attribute."""
        known = {
            name: getattr(self, name)
            for name in ("model", "layer", "method", "target", *_OWN_LINES, "image")
            if getattr(self, name)
        }
        if self.label and self.predicted:
            known["label"] = f"labelled {self.label}"
        numbered = {
            name: f"{name} {getattr(self, name)}"
            for name in ("unit", "channel", "episode", "step")
            if getattr(self, name) is not None
        }
        return known | numbered
