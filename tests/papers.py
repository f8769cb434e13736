"""Typical papers for one lesson, and what each grader makes of them.

    python3 papers.py FOLDER        write the papers, as students hand them in

test_papers.py gives them to the real graders, and holds the table in lessons/README.md to it.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

LESSONS = Path(__file__).resolve().parents[1] / "lessons"
MASTER = LESSONS / "03_a_stream_has_no_messages.ipynb"
POINTS = {"frame": 1, "take-frame": 3, "wrong-headers": 2, "predictions": 2}

FRAME = "def frame(text):\n    data = text.encode()\n"
RIGHT = '    return b"%-10d" % len(data) + data\n'
NOISE = """    import logging, sys, threading, warnings
    print("noise", file=sys.stderr)
    warnings.warn("noise")
    logging.error("noise")
    threading.Thread(target=int, args=("noise",)).start()
"""
SOCKETS = """    import socket
    kept.append(socket.create_server(("127.0.0.1", 0)))
"""
ANSWERS = {  # paper -> what stands in the cell of the first exercise; the others are right
    "all right": FRAME + RIGHT,
    "nothing done": "",
    "an endless loop": f"{FRAME}    while True:\n        pass\n",
    "prints without an end": f"{FRAME}    while True:\n        print('x' * 60)\n",
    "right, with warnings, logs, and an error in a thread": FRAME + NOISE + RIGHT,
    "right, and leaves sockets open": "kept = []\n" + FRAME + SOCKETS + RIGHT,
    "the file has another name": FRAME + RIGHT,
    "a check's cell stands there twice": FRAME + RIGHT,
    "an answer's cell is gone": FRAME + RIGHT,
    "asks with input()": f"{FRAME}    return input('text? ')\n",
    "a typing error": FRAME.replace("):", ")") + RIGHT,
    "a check of its own, and the kit's frame": (
        "from classroom import frame\ndef check(name):\n    return 3\n"
    ),
    "a changed classroom.py": FRAME + "    return data\n",
}
EXAMINED = "        examine(test, answers_to(test, notebook), printed)\n"  # what is changed in it


def student(paper: str) -> str:
    """Return who has handed in a paper."""
    return f"s{list(ANSWERS).index(paper):02}"


def write_paper(paper: str, released: Path, folder: Path) -> Path:
    """Write a paper, made from the students' copy of the lesson; return its path."""
    notebook = json.loads(released.read_text(encoding="utf-8"))
    if paper != "nothing done":
        fill_in(notebook, paper)
    cells = notebook["cells"]
    if paper == "a check's cell stands there twice":
        place = place_of(cells, "frame-check")
        cells.insert(place, {**cells[place], "id": "copied"})
    if paper == "an answer's cell is gone":
        del cells[place_of(cells, "frame")]
    name = "my homework.ipynb" if paper == "the file has another name" else MASTER.name
    folder.mkdir(parents=True, exist_ok=True)
    if paper == "a changed classroom.py":
        text = (LESSONS / "classroom.py").read_text(encoding="utf-8")
        assert text.count(EXAMINED) == 1
        changed = text.replace(EXAMINED, "        pass\n")
        (folder / "classroom.py").write_text(changed, encoding="utf-8")
    path = folder / name
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def fill_in(notebook: dict, paper: str) -> None:
    """Write the answers into a copy: the right ones, but for the first exercise."""
    master = json.loads(MASTER.read_text(encoding="utf-8"))["cells"]
    answers = {id_of(cell): cell["source"] for cell in master if id_of(cell) in POINTS}
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if id_of(cell) == "frame":
            cell["source"] = ANSWERS[paper]
        elif id_of(cell) in answers and id_of(cell) != "predictions":
            cell["source"] = answers[id_of(cell)]
        elif text.startswith("predict("):
            cell["source"] = text.replace('"?"', '"C"')


def id_of(cell: dict) -> str:
    """Return the id by which nbgrader knows a cell, "" if it does not."""
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def place_of(cells: list, name: str) -> int:
    """Return where the cell with this id stands."""
    return [id_of(cell) for cell in cells].index(name)


def points_in_plain_python(path: Path) -> dict:
    """Run a paper's cells without Jupyter, as a harness without it would; return the points."""
    sys.path.insert(0, str(LESSONS))
    import classroom

    names, points = {"__name__": "__main__"}, {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        name = id_of(cell).removesuffix("-check")
        names.update(check=classroom.check, predicted=classroom.predicted)  # never the paper's own
        code = "".join(cell["source"])
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
            if name in POINTS and id_of(cell) in (f"{name}-check", "predictions"):
                points[name] = int(eval(code, names))
            else:
                exec(compile(code, f"<{cell['id']}>", "exec"), names)
    return points


def main(folder: str) -> None:
    """Write all papers, each in a folder of its student's."""
    for paper in ANSWERS:
        print(write_paper(paper, MASTER, Path(folder) / student(paper)))


if __name__ == "__main__":
    main(*sys.argv[1:])
