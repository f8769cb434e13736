#!/usr/bin/env python3
"""Make what an instructor shows and prints: slides, handouts, answer keys, exams, a term's notes.

    python3 paper.py slides 03 --to ../paper        one file: a deck, with what the cells print
    python3 paper.py handout 03 --to ../paper       the lesson on paper, with room for answers
    python3 paper.py key 03 --to ../paper           predictions, solutions, and the notes
    python3 paper.py exam 03 --to ../paper          questions, and a sheet with the answers
    python3 paper.py term --to ../paper             what there is to know, of all lessons
    python3 paper.py all --to ../paper --pdf        everything, as PDF as well

Without a number: of all lessons. All of it comes from the notebooks, exercises/, notes/ and exams/.
The pages need no network, and no other file. It runs where Jupyter is installed, whose parts read
Markdown, colour code and run cells; --pdf needs Chrome, Chromium or Edge besides.
"""

import argparse
import ast
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import mistune
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
except ImportError as error:
    sys.exit(f"paper.py needs Jupyter ({error}): run it with the Python that has it")

LESSONS = Path(__file__).resolve().parent
KINDS = ("slides", "handout", "key", "exam", "term")
CELL_SECONDS = 120  # for one cell of the deck
LONG = 24  # lines of code: more do not fit on a slide
BROWSERS = ("chromium", "google-chrome", "chromium-browser", "chrome", "msedge", "microsoft-edge")
BROWSER_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


def main(argv: "list | None" = None) -> int:
    """Write the papers that are asked for and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=[*KINDS, "all"])
    parser.add_argument("lessons", nargs="*", metavar="NN", help="such as 03 (default: all)")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--pdf", action="store_true", help="print each as PDF, too")
    options = parser.parse_args(argv)
    try:
        browser = find_browser() if options.pdf else ""
        notebooks = [notebook_of(number) for number in options.lessons] or all_notebooks()
        options.to.mkdir(parents=True, exist_ok=True)
        for name, page in papers(options.kind, notebooks):
            path = options.to / f"{name}.html"
            path.write_text(page, encoding="utf-8")
            print(path, flush=True)
            if browser:
                print(print_page(browser, path), flush=True)
    except (OSError, ValueError) as error:
        print(f"paper.py: {error}", file=sys.stderr)
        return 1
    return 0


def papers(kind: str, notebooks: list):
    """Yield (name, page) for each paper."""
    makers = {"slides": slides, "handout": handout, "key": key, "exam": exam}
    for name, make in makers.items():
        if kind in (name, "all"):
            for path in notebooks:
                yield f"{name}-{path.stem}", make(path)
    if kind in ("term", "all"):
        yield "term", term(notebooks)


def all_notebooks() -> list:
    """Return the paths of all lessons."""
    return sorted(LESSONS.glob("[0-9][0-9]_*.ipynb"))


def notebook_of(number: str) -> Path:
    """Return the path of a lesson; ValueError if there is none with this number."""
    found = [path for path in all_notebooks() if path.name.startswith(f"{number}_")]
    if not found:
        raise ValueError(f"there is no lesson {number}: they are 00 to {len(all_notebooks()) - 1}")
    return found[0]


# ---- 1. What the sources say ---------------------------------------------------------------------


def cells_of(path: Path) -> list:
    """Return the cells of a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: dict) -> str:
    """Return a cell's source as one text."""
    return "".join(cell["source"])


def grading(cell: dict) -> dict:
    """Return what nbgrader has to know of a cell."""
    return cell["metadata"].get("nbgrader", {})


def title_of(path: Path) -> str:
    """Return a lesson's number and title."""
    return source(cells_of(path)[0]).splitlines()[0].removeprefix("# ")


def section(path: Path, heading: str) -> str:
    """Return the Markdown of a section of a lesson, without its heading."""
    texts, inside = [], False
    for cell in cells_of(path):
        if source(cell).startswith("## "):
            inside = source(cell).startswith(heading)
        if inside and cell["cell_type"] == "markdown":
            texts.append(source(cell).removeprefix(heading).strip())
    return "\n\n".join(texts)


def line_of(path: Path, label: str) -> str:
    """Return what the first cell says behind a label, such as The question."""
    found = re.search(rf"\*\*{label}:?\*\*\s*(.+?)(?:\n|\*\*|$)", source(cells_of(path)[0]))
    return found[1].strip() if found else ""


def solution_of(cell: dict) -> str:
    """Return an answer cell as it should be, without the marks around the solution."""
    lines = source(cell).splitlines()
    return "\n".join(line for line in lines if "### BEGIN " not in line and "### END " not in line)


def task_of(cell: dict) -> str:
    """Return an answer cell as students get it: room in the place of the solution."""
    return re.sub(
        r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION",
        r"\1# your answer\n\n\n",
        source(cell),
        flags=re.S | re.M,
    )


def predictions_of(number: str) -> list:
    """Return (name, right letter, {letter: reply}) for each prediction of a lesson."""
    tree = ast.parse((LESSONS / "exercises" / f"lesson_{number}.py").read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "prediction":
            name, *more = [ast.literal_eval(value) for value in node.args]
            replies = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
            right = more[0] if more else replies.pop("right")
            found.append((name, right, replies))
    return found


# ---- 2. Markdown and code as HTML ----------------------------------------------------------------


class Page(mistune.HTMLRenderer):
    """Markdown as HTML, with code in colours."""

    def block_code(self, code: str, info: "str | None" = None) -> str:
        return code_block(code, (info or "text").split()[0])


def code_block(code: str, language: str = "python") -> str:
    """Return code in colours, or a text diagram as it is."""
    if language != "python":
        return f"<pre class=text>{html.escape(code.rstrip())}</pre>\n"
    look = HtmlFormatter(noclasses=True, nowrap=True, style="friendly")
    size = " class=long" if code.count("\n") > LONG else ""
    return f"<pre{size}>{highlight(code.rstrip(), get_lexer_by_name('python'), look)}</pre>\n"


as_html = mistune.create_markdown(renderer=Page(escape=True), plugins=["table"])


def page(title: str, body: str, look: str) -> str:
    """Return a whole page."""
    return (
        f"<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n"
        f"<meta name=viewport content='width=device-width'>\n<title>{html.escape(title)}</title>\n"
        f"<style>{LOOK}{look}</style>\n{body}\n</html>\n"
    )


# ---- 3. The papers -------------------------------------------------------------------------------


def handout(path: Path) -> str:
    """Return the lesson on paper: no checks, and room to write where something is asked."""
    body = ""
    for cell in cells_of(path)[:-2]:  # the last ones give points and clean up
        text = source(cell)
        if text.startswith("## Clean up") or grading(cell).get("grade"):
            continue
        if cell["cell_type"] == "markdown":
            body += as_html(text)
        elif grading(cell).get("solution"):
            body += f"<div class=room>{code_block(task_of(cell))}</div>"
        elif text.startswith("predict("):
            body += (
                "<p class=letter>Your letter: <span class=line></span> because</p><p class=lines>"
            )
        else:
            body += code_block(text)
        if text.startswith("## Questions"):
            body = with_lines(body)
    return page(f"{title_of(path)}: handout", body, PAPER)


def with_lines(body: str) -> str:
    """Return a page whose last list has lines to write on after each of its items."""
    before, list_begins, items = body.rpartition("<ol>")
    lines = "<p class=lines></p>" * 3
    return before + list_begins + items.replace("</li>", f"{lines}</li>")


def key(path: Path) -> str:
    """Return the answers: predictions, solutions, and what the notes say."""
    number = path.name[:2]
    body = (
        f"<h1>{html.escape(title_of(path))}: answer key</h1><p class=soft>For the instructor.</p>"
    )
    body += "<h2>Predictions</h2>"
    for name, right, replies in predictions_of(number):
        rows = ""
        for letter, reply in replies.items():
            sign = "✓" if letter == right else ""
            rows += f"<tr><td>{letter}<td>{sign}<td>{as_html(reply)}"
        body += f"<h3>{name}: {right}</h3><table class=replies>{rows}</table>"
    body += "<h2>Exercises</h2>"
    points = {grading(cell)["grade_id"]: grading(cell).get("points") for cell in graded(path)}
    for cell in graded(path):
        name = grading(cell)["grade_id"]
        if grading(cell).get("solution") and not grading(cell)["grade"]:
            count = points.get(f"{name}-check")
            body += f"<h3>{html.escape(name)} <span class=soft>points: {count}</span></h3>"
            body += code_block(solution_of(cell))
    notes = (LESSONS / "notes" / f"{number}.md").read_text(encoding="utf-8")
    body += as_html(re.sub(r"^# .+$", "## Notes", notes, count=1, flags=re.M))
    return page(f"{title_of(path)}: answer key", body, PAPER)


def graded(path: Path) -> list:
    """Return the cells that nbgrader has to know of."""
    return [cell for cell in cells_of(path) if grading(cell)]


def exam(path: Path) -> str:
    """Return exam questions with room for answers, and the answers on a sheet of their own."""
    title, questions = title_of(path), exam_questions(path.name[:2])
    total = sum(points for _, points, _, _ in questions)
    body = f"<h1>{html.escape(title)}</h1><p class=name>Name <span class=line></span></p>"
    body += f"<p class=soft>{len(questions)} questions, {total} points. Questions of another kind "
    body += "than in the lesson; no computer is needed.</p>"
    answers = f"<h1 class=sheet>{html.escape(title)}: answers</h1>"
    for head, points, question, answer in questions:
        space = "<p class=lines></p>" * (points + 2)
        head = html.escape(head)
        body += f"<section><h2>{head}</h2>{as_html(question)}{space}</section>"
        answers += f"<section><h2>{head}</h2>{as_html(answer)}</section>"
    return page(f"{title}: exam", body + answers, PAPER)


def exam_questions(number: str) -> list:
    """Return (heading, points, question, answer) of each exam question of a lesson."""
    text = (LESSONS / "exams" / f"{number}.md").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        head, _, rest = part.partition("\n")
        question, mark, answer = rest.partition("**Answer.**")
        points = re.search(r"\((\d+) points?\)$", head)
        if not mark or not points:
            raise ValueError(f"exams/{number}.md: {head!r} lacks its points or its **Answer.**")
        found.append((head, int(points[1]), question, answer))
    return found


def term(notebooks: list) -> str:
    """Return what there is to know, of all lessons, on two or three sheets."""
    body = "<h1>Network programming in Python: the term</h1><div class=columns>"
    for path in notebooks:
        question, points = line_of(path, "The question"), section(path, "## Key points")
        question = question[:1].upper() + question[1:]
        body += f"<section><h2>{html.escape(title_of(path))}</h2>"
        body += f"<div class=question>{as_html(question)}</div>{as_html(points)}</section>"
    return page("The term", f"{body}</div>", f"{PAPER}{TERM}")


# ---- 4. Slides -----------------------------------------------------------------------------------


def slides(path: Path) -> str:
    """Return a deck: each section and each of its texts is a slide, with what the cells print."""
    parts, heading, filled = [], title_of(path), 0  # parts: [heading, inner]; filled: lines
    for cell in run_cells(path):
        kind = cell["metadata"].get("slideshow", {}).get("slide_type", "-")
        text = source(cell)
        if kind == "skip" or text.startswith(("predict(", "## Clean up", "nothing_left(")):
            continue
        if text.startswith("## "):
            heading = f"{title_of(path)}: {text.splitlines()[0].removeprefix('## ')}"
        if cell["cell_type"] == "markdown":
            inner, *more = fitting(text)
        else:
            inner, more = code_block(text), []
            inner += "".join(output_of(output) for output in cell.get("outputs", []))
        filled += lines_of(cell)
        if kind in ("slide", "subslide") or filled > LONG or not parts:
            parts.append([heading, inner])
            filled = lines_of(cell)
        else:
            parts[-1][1] += inner
        parts += [[heading, piece] for piece in more]
    return page(title_of(path), deck_of(path, parts), DECK)


def lines_of(cell: dict) -> int:
    """Return about how many lines of a slide a cell and what it prints take."""
    lines = source(cell).count("\n") + 2
    for output in cell.get("outputs", []):
        lines += output_of(output).count("\n") + 2
        if "image/png" in output.get("data", {}):
            lines += LONG // 2
    return lines


def deck_of(path: Path, parts: list) -> str:
    """Return the slides, each with its place in the lesson, and what turns them."""
    body = ""
    for number, (heading, inner) in enumerate(parts, 1):
        foot = f"<footer>{html.escape(heading)} <span>{number} of {len(parts)}</span></footer>"
        body += f"<section id=s{number}><div>{inner}</div>{foot}</section>\n"
    return f"{body}<script>{TURN_PAGES}</script>"


def fitting(text: str) -> list:
    """Return Markdown as HTML in pieces: code that is too long for a slide is cut."""
    found = re.search(r"^```python\n(.*?)^```$", text, re.S | re.M)
    if not found or found[1].count("\n") <= LONG:
        return [as_html(text)]
    pieces = [as_html(text[: found.start()])]
    lines = found[1].rstrip().splitlines()
    shown = code_block(found[1]).removeprefix("<pre class=long>").splitlines()
    while lines:
        cut = place_to_cut(lines)
        pieces.append(f"<pre>{chr(10).join(shown[:cut]).strip(chr(10))}</pre>")
        lines, shown = lines[cut:], shown[cut:]
    after = text[found.end() :].strip()
    return [*pieces, as_html(after)] if after else pieces


def place_to_cut(lines: list) -> int:
    """Return how many lines of code go on one slide: best up to the next definition."""
    if len(lines) <= LONG:
        return len(lines)
    blank = [i for i in range(LONG // 3, LONG) if not lines[i].strip()]
    ends = [i for i in blank if lines[i + 1][:1] not in ("", " ")]
    return max(ends or blank or [LONG])


def run_cells(path: Path) -> list:
    """Run a lesson in Jupyter and return its cells with what they print."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(LESSONS)}}
    NotebookClient(
        notebook, timeout=CELL_SECONDS, resources=resources, allow_errors=False
    ).execute()
    return notebook.cells


def output_of(output: dict) -> str:
    """Return what a cell printed or showed."""
    data = output.get("data", {})
    if "image/svg+xml" in data:
        return f"<div class=picture>{''.join(data['image/svg+xml'])}</div>"
    if "image/png" in data:
        image = "".join(data["image/png"])
        return f'<img alt="" src="data:image/png;base64,{image}">'
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"<pre class=output>{html.escape(text.rstrip())}</pre>" if text.strip() else ""


# ---- 5. PDF --------------------------------------------------------------------------------------


def find_browser() -> str:
    """Return a browser that prints without a window; ValueError if there is none."""
    for name in (*BROWSERS, *BROWSER_PLACES):
        found = shutil.which(name)
        if found:
            return found
    raise ValueError("--pdf needs Chrome, Chromium or Edge; or print the pages from any browser")


def print_page(browser: str, path: Path) -> Path:
    """Print a page as PDF beside it, and return its path."""
    target = path.with_suffix(".pdf").resolve()
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={profile}", f"--print-to-pdf={target}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # root has none; the page is ours
        run = subprocess.run([*command, path.resolve().as_uri()], capture_output=True, timeout=180)
    if run.returncode or not target.exists():
        raise ValueError(f"{browser} printed nothing: {run.stderr[-300:].decode(errors='replace')}")
    return target


# ---- 6. How it looks -----------------------------------------------------------------------------

LOOK = """
* { box-sizing: border-box; }
body { margin: 0; color: #1c1f26; font: 11pt/1.45 Georgia, "DejaVu Serif", serif; }
h1, h2, h3, footer, th, .soft, .letter, .name { font-family: system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7em; line-height: 1.2; margin: 0 0 0.4em; }
h2 { font-size: 1.25em; margin: 1.3em 0 0.4em; } h3 { font-size: 1.05em; margin: 1.1em 0 0.3em; }
p, ul, ol { margin: 0.45em 0; } ul, ol { padding-left: 1.4em; }
pre, code { font-family: "DejaVu Sans Mono", Consolas, Menlo, monospace; font-size: 0.84em; }
code { white-space: pre-wrap; } /* a header has ten bytes, spaces too */
pre { margin: 0.6em 0; padding: 0.6em 0.8em; background: #f5f4f0; border-left: 3px solid #b9b4a6;
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.35; }
pre.text { background: none; border: 1px solid #d8d4c8; }
pre.output { background: #fff; border-left-color: #3f7d5a; color: #2f4f3d; }
table { border-collapse: collapse; margin: 0.6em 0; font-size: 0.92em; }
td, th { border-bottom: 1px solid #d8d4c8; padding: 0.25em 0.6em; text-align: left;
  vertical-align: top; }
td p { margin: 0; } .soft { color: #6a6c74; font-weight: normal; font-size: 0.9em; }
img, svg { max-width: 100%; }
"""
PAPER = """
@page { size: A4; margin: 18mm 20mm; }
body { max-width: 190mm; margin: 0 auto; padding: 8mm 10mm; }
h1, h2, h3 { break-after: avoid; } pre, table, section { break-inside: avoid; }
pre { font-size: 0.95em; } pre * { font-size: inherit; } p { orphans: 3; widows: 3; }
.line { display: inline-block; min-width: 4em; border-bottom: 1px solid #888; }
.lines { height: 1.9em; border-bottom: 1px solid #bbb; margin: 0; }
.name .line { min-width: 22em; } .room pre { background: #fff; border: 1px solid #b9b4a6;
  min-height: 14em; } pre.long { break-inside: auto; }
.sheet { break-before: page; } .replies td:first-child { font-weight: bold; }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } }
"""
TERM = """
@page { margin: 12mm 14mm; }
.columns { columns: 2; column-gap: 9mm; } h2 { margin: 0.7em 0 0.1em; }
.question { color: #4c5a7a; } .question p, .columns ul { margin: 0.2em 0; }
.columns section:first-child h2 { margin-top: 0; }
@media print { body { font-size: 9.5pt; line-height: 1.32; } }
"""
DECK = """
@page { size: 1280px 720px; margin: 0; }
body { background: #e4e2dc; font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 25px; }
section { position: relative; width: 1280px; height: 720px; margin: 18px auto; overflow: hidden;
  background: #fff; padding: 44px 64px 50px; }
section > div { transform-origin: 0 0; } h1 { font-size: 1.9em; }
h2 { margin-top: 0; color: #23466f; } h3 { margin-top: 0; }
img { max-height: 400px; } table { font-size: 0.85em; }
footer { position: absolute; left: 64px; right: 64px; bottom: 16px; font-size: 15px;
  color: #82858e; } footer span { float: right; }
body.show { background: #000; overflow: hidden; } body.show section { display: none; margin: 0; }
body.show section.now { display: block; position: absolute; left: 50%; top: 50%;
  transform: translate(-50%, -50%) scale(var(--scale)); }
@media print { body { background: none; } section { margin: 0; break-after: page; } }
"""
TURN_PAGES = """
// What does not fit on its slide is made smaller. f or Enter: one slide fills the screen; arrows,
// space and Page Up, Page Down turn; Escape shows all of them again.
const slides = [...document.querySelectorAll("section")];
for (const slide of slides) {
  const inner = slide.firstElementChild, room = 720 - 44 - 50;
  let scale = 1;
  while (inner.offsetHeight * scale > room && scale > 0.4) {
    scale -= 0.05;
    inner.style.width = (1280 - 128) / scale + "px";
    inner.style.transform = `scale(${scale})`;
  }
}
let now = 0;
function show(number) {
  slides[now].classList.remove("now");
  now = Math.max(0, Math.min(slides.length - 1, number));
  slides[now].classList.add("now");
  document.body.style.setProperty("--scale", Math.min(innerWidth / 1280, innerHeight / 720));
}
addEventListener("resize", () => show(now));
addEventListener("keydown", (event) => {
  if (event.key === "f" || event.key === "Enter") document.body.classList.add("show"), show(now);
  if (event.key === "Escape") document.body.classList.remove("show");
  if (["ArrowRight", "ArrowDown", "PageDown", " "].includes(event.key)) show(now + 1);
  if (["ArrowLeft", "ArrowUp", "PageUp"].includes(event.key)) show(now - 1);
  if (event.key === "Home") show(0);
  if (event.key === "End") show(slides.length - 1);
});
"""


if __name__ == "__main__":
    if sys.stdout:
        sys.stdout.reconfigure(errors="backslashreplace")  # for what a terminal cannot show
    sys.exit(main())
