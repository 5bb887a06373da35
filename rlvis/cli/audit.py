"""The command `rlvis audit`."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes, UseAppendAction, arg

from rlvis.cli.arguments import Methods
from rlvis.cli.bars import stoppable_progress
from rlvis.cli.loading import refuse_unused
from rlvis.cli.playing import EnvSource, PolicySource, RecordedPolicy
from rlvis.errors import InputError
from rlvis.processor import limit_threads


def command(
    source: OmitArgPrefixes[RecordedPolicy] = RecordedPolicy(),  # noqa: B008
    env: OmitArgPrefixes[EnvSource] = EnvSource(),  # noqa: B008
    model: str | None = None,
    images: Path | None = None,
    masks: Path | None = None,
    methods: Methods = (),
    frames: int | None = None,
    decisions: int | None = None,
    episodes: int | None = None,
    quick: bool = False,
    seed: int = 0,
    discount: float | None = None,
    requirements: Annotated[UseAppendAction[tuple[str, ...]], arg(name="require")] = (),
    out: Path = Path("audit.html"),
    resume: bool = False,
    processes: int = 1,
) -> None:
    """Find out what moves a network, which maps of it can be believed, and what it goes by.

    Everything in its world is changed, one thing at a time; every method is held against what
    really happens then; every action is tried; what differs between episodes is swapped. What the
    world cannot be asked is left out and said. Ctrl-C keeps the methods that are done. With --model
    a classifier is asked about pictures instead, over which cubes are put and taken away.

    Args:
        source: the policy, cube-reach when left out.
        env: the environment that it acts in.
        model: a classifier instead, by name or file as for rlvis explain.
        images: with --model, the pictures: a folder, a recording, an array (.npy, .npz) or mnist.
        masks: with --model, a folder of pictures of the same names, white where maps should point.
        methods: attribution methods; repeat for several. All that the network allows if left out.
        frames: how many moments are asked about (300; 60 with --quick).
        decisions: of how many moments every action is tried (100; 12 with --quick).
        episodes: played again for each thing that differs between them (60; 20 with --quick).
        quick: a first look: four methods, fewer moments and changes.
        seed: of the first episode, and of everything drawn by lot.
        discount: γ of the true values; of the policy's training when left out, else 0.99.
        requirements: end with status 1 unless it holds, such as "occlusion.causal >= 0.9",
            "shortcuts == 0", "marker_removed.flips > 0.5"; repeat for several.
        out: the page with its numbers (.html), the page (.png, .pdf), the numbers (.json, .npz) or
            the methods' rows (.csv).
        resume: go on with an audit that was stopped.
        processes: how many methods are scored at once, each in a process of its own.
    """
    from rlvis.evaluation.audit_numbers import check_requirements
    from rlvis.evaluation.audit_result import Audit
    from rlvis.evaluation.auditor import audit
    from rlvis.evaluation.classifier import audit_classifier
    from rlvis.evaluation.plan import QUICK, AuditPlan

    Audit.check_savable(out)
    usual = QUICK if quick else AuditPlan()
    plan = replace(
        usual,
        methods=methods,
        frames=usual.frames if frames is None else frames,
        decisions=usual.decisions if decisions is None else decisions,
        episodes=usual.episodes if episodes is None else episodes,
    )
    check_requirements(requirements, plan)
    kept = out.with_name(f"{out.stem}.unfinished.json")
    how: dict[str, Any] = {"plan": plan, "seed": seed, "keep": kept, "resume": resume}
    how["processes"] = processes
    if model is not None:
        if images is None:
            raise InputError("--model goes with --images; name a folder of pictures")
        where = "with --model, which knows no episodes"
        refuse_unused(where, discount=discount, decisions=decisions, episodes=episodes)
        network = replace(source, model=model).load()
        with stoppable_progress() as report:
            found = audit_classifier(network, images, masks=masks, on_progress=report, **how)
    else:
        refuse_unused("without --model", images=images, masks=masks)
        limit_threads(1)
        policy = replace(source, model=source.model or PolicySource.model).load_policy()
        config = env.of(policy)
        with stoppable_progress() as report:
            found = audit(
                policy,
                config.environment,
                discount=discount,
                wrappers=config.wrappers,
                env_options=config.options,
                on_progress=report,
                **how,
            )
    print(found.text())
    print(found.save(out))
    if unmet := found.unmet(requirements):
        print(*unmet, sep="\n", file=sys.stderr)
        raise SystemExit(1)
