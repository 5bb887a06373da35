"""What is required of an audit can be checked before it is made."""

import pytest

from rlvis import AuditPlan, InputError
from rlvis.evaluation.audit_numbers import check_requirements


@pytest.mark.parametrize(
    "name",
    [
        "shortcuts",
        "regret.high",
        "occlusion.causal",
        "occlusion.value.causal.low",
        "own_colour.auc",
        "occlusion.deletion",
        "marker_removed.kl",
        "floor.lost.low",
    ],
)
def test_what_may_be_found_may_be_required(name) -> None:
    check_requirements([f"{name} >= 0"], AuditPlan(methods=("occlusion",)))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nonsense", "no number 'nonsense'"),
        ("regrets", "did you mean 'regret'"),
        ("shortcuts.low", "no score 'shortcuts'|no number 'shortcuts.low'"),
        ("oclusion.causal", "no audited method 'oclusion'; did you mean 'occlusion'"),
        ("saliency.causal", "no audited method 'saliency'"),
        ("occlusion.casual.low", "no score 'casual'; did you mean 'causal'"),
        ("marker_removed.flip", "no score 'flip'; did you mean 'flips'"),
    ],
)
def test_a_typo_in_what_is_required_costs_no_audit(name, hint) -> None:
    with pytest.raises(InputError, match=hint):
        check_requirements([f"{name} >= 0"], AuditPlan(methods=("occlusion",)))
