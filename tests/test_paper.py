"""lessons/paper.py and exams/: what is printed for a class, and whether it is true."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from kit import ROOT

LESSONS = ROOT / "lessons"
NUMBERS = [path.name[:2] for path in sorted(LESSONS.glob("[0-9][0-9]_*.ipynb"))]
KINDS = ("Predict", "Find the fault", "Bytes", "Explain")

every_number = pytest.mark.parametrize("number", NUMBERS)
jupyter = pytest.mark.jupyter  # its parts read Markdown


def questions(number: str) -> list:
    """Return (heading, question, answer) of a lesson's exam questions."""
    text = (LESSONS / "exams" / f"{number}.md").read_text(encoding="utf-8")
    parts = [part.partition("\n") for part in re.split(r"^## ", text, flags=re.M)[1:]]
    return [(head, *rest.split("**Answer.**")) for head, _, rest in parts]


@pytest.mark.once
@every_number
def test_a_lesson_has_four_exam_questions_with_answers_of_different_kinds(number):
    notebook = next(LESSONS.glob(f"{number}_*.ipynb"))
    title = "".join(json.loads(notebook.read_text(encoding="utf-8"))["cells"][0]["source"])
    head = (LESSONS / "exams" / f"{number}.md").read_text(encoding="utf-8").splitlines()[0]
    assert head == f"# Exam questions for lesson {title.splitlines()[0].removeprefix('# ')}"
    heads = [head for head, _, _ in questions(number)]
    for place, head in enumerate(heads, 1):
        assert re.fullmatch(rf"{place}\. ({'|'.join(KINDS)}) \([23] points\)", head), head
    assert len(heads) == 4
    assert len({head.split()[1] for head in heads}) >= 2
    total = sum(int(re.search(r"\((\d)", head)[1]) for head in heads)
    assert total == 10, "a lesson gives ten points"
    for _, question, answer in questions(number):
        assert len(question.split()) > 5 and len(answer.split()) > 5


@pytest.mark.once
@every_number
def test_what_an_answer_says_is_printed_is_printed(number):
    for head, question, answer in questions(number):
        code = re.search(r"```python\n(.*?)```", question, re.S)
        said = re.search(r"```text\n(.*?)```", answer, re.S)
        if code and said:
            command = [sys.executable, "-X", "utf8", "-c", code[1]]
            run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
            assert run.stdout == said[1], head
        for block in re.findall(r"```python\n(.*?)```", question, re.S):
            compile(block, head, "exec")


def make(kind: str, folder, *more: str) -> subprocess.CompletedProcess:
    pytest.importorskip("mistune", reason="Jupyter is not installed")
    command = [sys.executable, LESSONS / "paper.py", kind, *more, "--to", folder]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)


@jupyter
def test_each_paper_is_made_by_one_command(tmp_path):
    for kind in ("handout", "key", "exam", "term"):
        run = make(kind, tmp_path)
        assert run.returncode == 0, run.stderr
    names = {path.name for path in tmp_path.glob("*.html")}
    assert len(names) == 3 * len(NUMBERS) + 1
    for path in tmp_path.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text), "it needs no network"
    handout = next(tmp_path.glob("handout-03*")).read_text(encoding="utf-8")
    assert "Your letter" in handout and "isdigit" not in handout.partition("real program")[0]
    assert "isdigit" in next(tmp_path.glob("key-03*")).read_text(encoding="utf-8")
    term = (tmp_path / "term.html").read_text(encoding="utf-8")
    assert term.count("<section>") == len(NUMBERS)


@jupyter
def test_a_deck_shows_what_the_cells_print_and_only_after_the_guess(tmp_path):
    run = make("slides", tmp_path, "03")
    assert run.returncode == 0, run.stderr
    slides = next(tmp_path.glob("slides-03*")).read_text(encoding="utf-8").split("<section ")[1:]
    guess = next(i for i, slide in enumerate(slides) if "Predict." in slide)
    assert "onetwothreefourfive" in slides[guess + 1]
    assert "class=output" not in slides[guess]
    assert not any("BEGIN SOLUTION" in slide for slide in slides)


@jupyter
def test_a_page_is_printed_as_pdf_where_a_browser_is(tmp_path):
    if not any(shutil.which(name) for name in ("chromium", "google-chrome", "chromium-browser")):
        pytest.skip("Chromium is not installed")
    run = make("exam", tmp_path, "01", "--pdf")
    assert run.returncode == 0, run.stderr
    assert next(tmp_path.glob("exam-01*.pdf")).read_bytes().startswith(b"%PDF")


@jupyter
def test_a_lesson_that_is_not_there_is_said_in_words(tmp_path):
    run = make("exam", tmp_path, "77")
    assert run.returncode == 1 and "there is no lesson 77" in run.stderr
