"""The command `rlvis labels`."""

from tyro.conf import OmitArgPrefixes, Positional

from rlvis.cli.loading import USUAL, Network


def command(part: Positional[str] = "", /, network: OmitArgPrefixes[Network] = USUAL) -> None:
    """List a network's labels with their index; those that have a part in their name.

    Args:
        part: a part of the name: cat finds "Egyptian cat". Whole words come first. All labels when
            left out.
        network: the network to look into.
    """
    from rlvis.models.label_search import find_labels

    model = network.load()
    width = len(str(len(model.labels) - 1))
    for index, label in find_labels(model, part):
        print(f"{index:{width}}  {label}")
