"""The commands from many episodes to the moment, as a user types them."""

import json

import pytest

from rlvis.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("moments") / "run.zarr"
    main(f"record --policy cube-reach --episodes 3 --method none --out {path}".split())
    return str(path)


def test_from_episodes_to_a_moment(run, tmp_path, capsys) -> None:
    main(["episodes", run, "--sort", "drop", "--only", "successes"])
    table = capsys.readouterr().out
    assert "drop_step" in table
    main(["episodes", run, "--out", str(tmp_path / "t.json")])
    assert len(json.loads((tmp_path / "t.json").read_text())) == 3
    film = tmp_path / "m.mp4"
    main(["video", run, "--moments", "2", "--around", "1", "--out", str(film)])
    assert film.stat().st_size > 10_000
    said = capsys.readouterr().out
    assert said.count("step") >= 2


def test_what_if_compare_field_export(run, tmp_path, capsys) -> None:
    main(f"whatif {run} --episode 1 --step 2 -a right --futures 2".split())
    assert "right: " in capsys.readouterr().out
    moment = f"{run} --episode 1 --step 2"
    main(f"whatif {moment} --deterministic --out {tmp_path}/w.png --video {tmp_path}/w.mp4".split())
    assert (tmp_path / "w.png").exists()
    main(f"compare {run} cube-reach-distractors --most 1 --out {tmp_path}/c.png".split())
    assert "they differ most in episode" in capsys.readouterr().out
    main(f"field {run} --places 4 --headings 3 --out {tmp_path}/f.png".split())
    main(f"export {run} --tensorboard {tmp_path}/runs".split())
    assert (tmp_path / "runs" / "episodes").is_dir()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["episodes", "RUN", "--sort", "magrin"], "did you mean 'margin'"),
        (["episodes", "RUN", "--only", "fails"], "cannot read the filter"),
        (["episodes", "RUN", "--out", "t.mp4"], "t.mp4"),
        (["episodes", "RUN", "--most", "0"], "--most is 0"),
        (["episodes", "nowhere.zarr"], "is no recording"),
        (["video", "RUN", "--kind", "drop"], "--moments"),
        (["video", "RUN", "--moments", "2", "--kind", "drops"], "did you mean 'drop'"),
        (["video", "RUN", "--only", "failures"], "no episode is one of failures"),
        (["whatif", "RUN", "--episode", "9", "--step", "0"], "no episode 9"),
        (["whatif", "RUN", "--episode", "0", "--step", "999"], "no step 999"),
        (["whatif", "RUN", "--episode", "0", "--step", "0", "-a", "jump"], "no action 'jump'"),
        (["compare", "RUN", "no-such-policy"], "no-such-policy"),
        (["field", "RUN", "--places", "1"], "places is 1"),
        (["export", "RUN"], "nothing to export"),
        (["export", "RUN", "--rrd", "r.txt"], r".rrd"),
    ],
)
def test_wrong_input_is_said_in_a_line(run, line, message, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main([run if each == "RUN" else each for each in line])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
