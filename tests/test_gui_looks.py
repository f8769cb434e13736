"""The window's colours: contrast, and names that nobody mixes up; computed, without a screen."""

import itertools
import math
import sys

import pytest
from kit import ROOT

sys.path.insert(0, str(ROOT))
import chat_client_gui as gui

THEMES = pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
LINES = ("bg", "own", "private", "mention")  # what can be behind a message
WORDS = ("text", "muted", "accent", "danger", *gui.NAMES)  # what can stand in it

# How somebody sees red, green and blue who lacks one of the three kinds of cones: G. M. Machado,
# M. M. Oliveira, L. A. F. Fernandes, A Physiologically-based Model for Simulation of Color Vision
# Deficiency (2009), the matrices for a severity of 1.0, which are applied to linear light.
SEEN_BY = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def sum_of_products(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def light(colour):
    """Return how much red, green and blue light a colour is, each from 0 to 1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one, other):
    """Return the contrast as WCAG 2 defines it, from 1 to 21."""
    weights = (0.2126, 0.7152, 0.0722)
    low, high = sorted(sum_of_products(weights, light(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(red, green, blue):
    """Return light as CIE L*a*b*, in which a distance of 2.3 can just be noticed."""

    def root(value):
        return value ** (1 / 3) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116

    x = root((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047)
    y = root(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    z = root((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen(colour, matrix):
    """Return a colour, as somebody with this matrix sees it, as L*a*b*."""
    parts = [sum_of_products(row, light(colour)) for row in matrix]
    return lab(*(min(1, max(0, part)) for part in parts))


def of(theme, *tokens):
    return [gui.COLOURS[token][theme] for token in tokens]


@THEMES
def test_all_text_has_a_contrast_of_at_least_4_5_to_1(theme):
    for words in of(theme, *WORDS):
        for ground in of(theme, *LINES):
            assert contrast(words, ground) >= 4.5, (words, ground)
    panel = of(theme, "panel")[0]
    for words in of(theme, "text", "muted", "danger", "good", "header", "payload", *gui.NAMES):
        assert contrast(words, panel) >= 4.5, words
    bg, accent, lit, text = of(theme, "bg", "accent", "lit", "text")
    for ground in (accent, lit, text):  # button, selection; what is lit up; caret and tip
        assert contrast(bg, ground) >= 4.5, ground


@THEMES
def test_focus_choice_and_border_have_a_contrast_of_at_least_3_to_1(theme):
    bg, panel, text, edge, accent = of(theme, "bg", "panel", "text", "edge", "accent")
    for ground in (bg, panel):
        assert contrast(edge, ground) >= 3
        assert contrast(accent, ground) >= 3  # the ring, the chosen row, the selection
        assert contrast(text, ground) >= 3  # the outer ring of Send, the caret
    assert contrast(bg, accent) >= 3  # the inner ring of Send
    for ground in of(theme, *LINES):
        assert contrast(accent, ground) >= 3  # the selection
    assert contrast(of(theme, "lit")[0], bg) >= 3


@THEMES
@pytest.mark.parametrize("eyes", SEEN_BY)
def test_names_stay_apart_whoever_looks(theme, eyes):
    colours = [seen(colour, SEEN_BY[eyes]) for colour in of(theme, *gui.NAMES)]
    assert len(colours) == 8
    assert min(math.dist(*pair) for pair in itertools.combinations(colours, 2)) >= 14


def test_the_old_colours_of_a_sketch_would_be_found_out():
    sketch = ["#0550ae", "#116329", "#953800", "#8250df", "#a40e26", "#1b6f75", "#6f4e00"]
    worst = min(
        math.dist(seen(one, matrix), seen(other, matrix))
        for one, other in itertools.combinations(sketch, 2)
        for matrix in SEEN_BY.values()
    )
    assert worst < 10


def test_the_simulation_is_the_published_one():
    for matrix in SEEN_BY.values():
        assert all(abs(sum(row) - 1) < 0.00001 for row in matrix), "grey stays grey"
    assert math.dist(lab(1, 1, 1), (100, 0, 0)) < 0.1 and math.dist(lab(0, 0, 0), (0, 0, 0)) < 0.1
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    red, green = seen("#c00000", SEEN_BY["deuteranopia"]), seen("#5f5f00", SEEN_BY["deuteranopia"])
    assert math.dist(red, green) < math.dist(lab(*light("#c00000")), lab(*light("#5f5f00"))) / 2


def test_a_name_keeps_its_colour():
    assert gui.colour_of("ada") == gui.colour_of("ada") != gui.colour_of("bob")
    assert gui.colour_of("\ud800") in gui.NAMES


def test_what_is_pulled_has_no_grip_in_tk_8_and_in_tk_9():
    for style in ("TScrollbar", "Sash"):
        assert gui.STYLES[style]["gripcount"] == 0 == gui.STYLES[style]["gripsize"]


def test_the_tables_of_looks_name_colours_that_exist():
    tables = [*gui.TAGS.values(), gui.MENU, *gui.STYLES.values()]
    for options in tables:
        for option, value in options.items():
            if option.endswith(("ground", "color", "bg", "fg")):
                assert value in gui.COLOURS, (option, value)
    for options in gui.STATES.values():
        for pairs in options.values():
            assert all(token in gui.COLOURS for _, token in pairs)
