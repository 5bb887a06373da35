"""The command `rlvis layers`."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes

from rlvis.cli.loading import USUAL, Network


def command(
    network: OmitArgPrefixes[Network] = USUAL, image: Path | None = None, maps: bool = False
) -> None:
    """List a network's layers: names as --layer takes them, kinds, output shapes, parameters.

    Of each it says why methods that read a layer take it where none is named, or why not.

    Args:
        network: the network to look into.
        image: a picture to run it on, where it takes any size; noise when left out.
        maps: only layers whose output holds a map, which the methods that read a layer need.
    """
    from rlvis.attribution import METHODS
    from rlvis.attribution.layer_table import list_layers

    model = network.load()
    layers = [each for each in list_layers(model, image) if each.grid or not maps]
    rows = [("layer", "kind", "output", "parameters", "map", "cam", "where no layer is named")]
    for each in layers:
        rows.append(
            (
                each.name,
                each.kind,
                "×".join(map(str, each.shape)) or "-",
                f"{each.parameters:,}",
                "×".join(map(str, each.grid)) if each.grid else "-",
                "yes" if each.exact else "-",
                "taken: " * each.usual + each.reason,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(f"{each:{width}}" for each, width in zip(row, widths, strict=True)).rstrip()
        )
    readers = [name for name, method in METHODS.items() if method.reads_layer and name != "cam"]
    print(f"\nA map can be read by {', '.join(readers)}; by cam where it says so.")
