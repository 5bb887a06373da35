"""The weights of a `PolicyNetwork` under the names Stable-Baselines3 gives them, and back."""

from collections.abc import Mapping

from torch import Tensor

from rlvis_agents.network import PolicyNetwork

_NAMES = {
    "features.": "features_extractor.features.",
    "policy.": "action_net.",
    "value.": "value_net.",
}


def from_sb3(weights: Mapping[str, Tensor]) -> PolicyNetwork:
    """The `PolicyNetwork` in the state dict of an SB3 policy, with copies of its weights.

    Raises:
        KeyError, RuntimeError: if it is another network's.
    """
    own = {
        prefix + name.removeprefix(theirs): tensor.detach().cpu().clone()
        for name, tensor in weights.items()
        for prefix, theirs in _NAMES.items()
        if name.startswith(theirs)
    }
    convolutions = [own[f"features.conv{index}.weight"] for index in (1, 2, 3)]
    network = PolicyNetwork(
        convolutions[0].shape[1],
        own["policy.weight"].shape[0],
        [each.shape[0] for each in convolutions],
    )
    network.load_state_dict(own)
    return network


def to_sb3(network: PolicyNetwork) -> dict[str, Tensor]:
    """The state dict for an SB3 policy made by `ppo.build` with the same channels.

    SB3 lists shared features three times: as its own, the actor's and the critic's.
    """
    weights = {}
    for name, tensor in network.state_dict().items():
        prefix = name.split(".")[0] + "."
        theirs = _NAMES[prefix] + name.removeprefix(prefix)
        for sharer in ("", "pi_", "vf_") if prefix == "features." else ("",):
            weights[sharer + theirs] = tensor
    return weights
