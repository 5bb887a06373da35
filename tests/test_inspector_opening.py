"""The inspector's page is there before what it shows; what cannot be opened is told."""

import sys
from subprocess import run
from threading import Event, Timer

import pytest

from rlvis import InputError
from rlvis.cli import main

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from rlvis.inspector.opening import Opening


async def _info(_: object) -> JSONResponse:
    return JSONResponse({"kind": "any"})


def test_the_page_is_answered_while_its_questions_wait() -> None:
    ready = Event()

    def open_app() -> Starlette:
        assert ready.wait(20)
        return Starlette(routes=[Route("/api/info", _info)])

    with TestClient(Opening(open_app, ready.clear, 0)) as client:
        assert "main.js" in client.get("/").text
        assert client.get("/static/main.js").status_code == 200
        later = Timer(0.2, ready.set)
        later.start()
        assert client.get("/api/info").json() == {"kind": "any"}
        assert ready.is_set()


def test_what_cannot_be_opened_is_told_to_the_page_and_ends_the_server() -> None:
    ended = Event()

    def fail() -> Starlette:
        raise InputError("no such policy")

    shown = Opening(fail, ended.set, 0)
    with TestClient(shown) as client:
        assert client.get("/api/info").json() == {"error": "no such policy"}
        assert ended.wait(10)
    assert str(shown.error) == "no such policy"


def test_a_page_is_served_without_pytorch() -> None:
    modules = "rlvis.inspector.opening, rlvis.inspector.serving, rlvis.cli.inspecting, uvicorn"
    program = f"import sys, {modules}; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    "what",
    [
        ["nowhere.zarr"],
        ["--live", "--policy", "nobody"],
        ["--live", "--env", "CartPole-v1"],
        ["--model", "digits", "--photo", "nowhere.png"],
    ],
)
def test_the_command_says_what_cannot_be_opened(what, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["inspect", *what, "--no-browser"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_first_explanation_loads_no_compiler() -> None:
    program = (
        "import sys, numpy, rlvis; from rlvis_agents import load_policy; "
        "image = numpy.zeros((60, 80, 3), numpy.uint8); "
        "rlvis.explain(load_policy('cube-reach'), image, ['cam', 'saliency']); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
