"""Run the notebook of the documentation in a kernel of its own and keep what its cells show.

python -m scripts.run_notebook
"""

import base64
import io
import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "how-to" / "notebook.ipynb"


def run(notebook: NotebookNode) -> NotebookNode:
    """The notebook with what its cells show, run beside copies of the photos only.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ROOT / "docs", Path(folder, "docs"))
        client = NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": folder}}, record_timing=False
        )
        return client.execute()


def slim(notebook: NotebookNode) -> NotebookNode:
    """The notebook with one form of each output, pictures as JPEG, and no bars that have gone."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.output_type == "execute_result"]
            for output in cell.outputs:
                output.data = _one_form(output.data)
    return notebook


def _one_form(data: NotebookNode) -> NotebookNode:
    if "image/png" in data:
        picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=88, optimize=True)
        kept = {"image/jpeg": base64.b64encode(buffer.getvalue()).decode()}
        return NotebookNode(kept | {"text/plain": data["text/plain"]})
    return data


def main() -> None:
    """Write the notebook with its outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.write(slim(run(notebook)), NOTEBOOK)


if __name__ == "__main__":
    main()
