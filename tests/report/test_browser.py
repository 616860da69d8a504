"""The report in a browser: it draws, it answers, and it asks nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait
from synthetic_runs import record

from fovea.records import all_runs, write_atomic
from fovea.report.entries import reported_runs
from fovea.report.page import page

CONFUSION, CLASSES, CELL = "chart-1", "chart-2", "cell-1"
CHARTS = ("curves", "parallel", CONFUSION, CLASSES)


class Page:
    """A report that is open."""

    def __init__(self, browser: Chrome, file: Path) -> None:
        self.browser = browser
        for kind in ("browser", "performance"):
            browser.get_log(kind)  # of what was open before
        browser.get(file.as_uri())
        self.wait(lambda: all(self.marks(chart) for chart in CHARTS))

    def wait(self, until: Callable[[], Any]) -> None:
        WebDriverWait(self.browser, 20).until(lambda _: until())

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def marks(self, chart: str) -> list[str]:
        """The shapes that a chart draws: outline and place of each."""
        script = (
            "return [...document.querySelectorAll(arguments[0] + ' .role-mark path')]"
            ".map(each => `${each.getAttribute('d')} ${each.getAttribute('transform')}`)"
        )
        return self.browser.execute_script(script, f"#{chart} svg")

    def lines(self) -> list[str]:
        return [path for path in self.marks("curves") if "L" in path and "Z" not in path]

    def legend(self) -> list[str]:
        return [text.text for text in self.all("#curves .role-legend-label text")]

    def column(self, key: str) -> list[str]:
        """The texts of a column of the table of runs, of the rows that are shown."""
        heads = [head.get_attribute("data-key") for head in self.all("#runs thead th")]
        place = heads.index(key) + 1
        cells = self.all(f"#runs tbody tr:not([hidden]) > :nth-child({place})")
        return [cell.text for cell in cells]

    def head(self, key: str) -> WebElement:
        return self.one(f"#runs th[data-key='{key}']")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, two learning rates, two seeds; one run diverged, one failed."""
    outputs = tmp_path_factory.mktemp("outputs")
    index = 0
    for model in ("mlp", "lenet5"):
        for rate in ("0.1", "0.02"):
            for seed in (0, 1):
                accuracy = None if index == 2 else 0.9 + index / 100
                overrides = (f"model={model}", f"optimizer.lr={rate}", f"seed={seed}")
                record(outputs, f"run{index}", *overrides, accuracy=accuracy)
                index += 1
    record(outputs, "run8", "seed=2", "optimizer.lr=0.1", status="failed", error="</script> oh")
    report = outputs / "reports" / "runs.html"
    html = page("All runs", reported_runs(all_runs(outputs)), {}, report.parent)
    write_atomic(report, html.encode())
    return report


@pytest.fixture
def opened(browser: Chrome, file: Path) -> Page:
    return Page(browser, file)


def test_it_draws_without_complaint_and_asks_nobody(opened: Page, file: Path) -> None:
    assert opened.browser.get_log("browser") == []
    messages = [
        json.loads(entry["message"])["message"] for entry in opened.browser.get_log("performance")
    ]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert file.as_uri() in asked
    own = ("data:", "blob:", "chrome:")  # chrome: is the browser's own first tab
    assert [url for url in asked if url != file.as_uri() and not url.startswith(own)] == []
    assert len(opened.all(".chart svg.marks")) == len(CHARTS)


def test_a_column_is_sorted_by_number_both_ways(opened: Page) -> None:
    head = opened.head("optimizer.lr")
    assert head.get_attribute("aria-sort") == "none"
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "ascending"
    assert opened.column("optimizer.lr") == ["0.02"] * 4 + ["0.1"] * 5
    head.find_element(By.TAG_NAME, "button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert opened.column("optimizer.lr") == ["0.1"] * 5 + ["0.02"] * 4


def test_what_is_no_number_stays_below(opened: Page) -> None:
    button = opened.head("test/accuracy").find_element(By.TAG_NAME, "button")
    for expected in ("90.00%", "97.00%"):
        button.click()
        column = opened.column("test/accuracy")
        assert (column[0], column[-2:]) == (expected, ["NaN", "–"])


@pytest.mark.parametrize(
    ("terms", "runs"),
    [
        ("lenet5", ["run4", "run5", "run6", "run7"]),
        ("model=lenet5 seed=1", ["run5", "run7"]),
        ("test/accuracy>0.955", ["run6", "run7"]),
        ("optimizer.lr<0.1 model=mlp", ["run2", "run3"]),
        ("failed", ["run8"]),
        ("status=diverged", ["run2"]),
        ("seed=7", []),
    ],
)
def test_the_filter_holds_for_the_table(opened: Page, terms: str, runs: list[str]) -> None:
    opened.one("#filter").send_keys(terms)
    assert sorted(opened.column("run")) == runs
    assert opened.one("#matching").text == f"{len(runs)} of 9 runs"


def test_the_filter_holds_for_the_curves(opened: Page) -> None:
    opened.wait(lambda: len(opened.legend()) == 4)
    opened.one("#filter").send_keys("model=lenet5")
    opened.wait(lambda: len(opened.legend()) == 2)
    opened.one("#filter").clear()
    opened.one("#filter").send_keys(" ")
    opened.wait(lambda: len(opened.legend()) == 4)


def test_another_key_colours_the_curves(opened: Page) -> None:
    Select(opened.one("#colour")).select_by_value("model")
    opened.wait(lambda: opened.legend() == ["lenet5", "mlp"])
    Select(opened.one("#colour")).select_by_value("optimizer.lr")
    opened.wait(lambda: opened.legend() == ["0.02", "0.1"])


def test_lines_are_of_runs_cells_or_colours(opened: Page) -> None:
    Select(opened.one("#metric")).select_by_value("train/accuracy")
    Select(opened.one("#colour")).select_by_value("model")
    for grouping, lines in (("run", 9), ("cell", 4), ("colour", 2)):
        Select(opened.one("#lines")).select_by_value(grouping)
        opened.wait(lambda lines=lines: len(opened.lines()) == lines)


def test_another_metric_and_axis_redraw_the_curves(opened: Page) -> None:
    before = opened.lines()
    Select(opened.one("#metric")).select_by_value("train/loss")
    opened.wait(lambda: opened.lines() != before)
    before = opened.marks("parallel")
    Select(opened.one("#outcome")).select_by_value("train/loss")
    opened.wait(lambda: opened.marks("parallel") != before)


def test_a_cell_is_chosen_for_both_charts_of_classes(opened: Page) -> None:
    before = [opened.marks(chart) for chart in (CONFUSION, CLASSES)]
    Select(opened.one(f"#{CELL}")).select_by_visible_text("lenet5, lr=0.02")
    opened.wait(lambda: opened.marks(CLASSES) != before[1])
    opened.wait(lambda: opened.marks(CONFUSION) != before[0])


def test_every_control_has_a_name_and_the_keyboard_reaches_it(opened: Page) -> None:
    for control in opened.all("input, select"):
        assert control.accessible_name
    opened.one("#filter").click()
    reached = set()
    for _ in range(60):
        active = opened.browser.switch_to.active_element
        active.send_keys(Keys.TAB)
        reached.add(opened.browser.switch_to.active_element.get_attribute("id"))
    assert {"metric", "x", "colour", "lines", "outcome", CELL} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_off_its_ground(opened: Page, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    for selector in ("h1", "#runs td", "#curves .role-axis-label text", ".note"):
        ink = opened.browser.execute_script(
            "const one = document.querySelector(arguments[0]); const style = getComputedStyle(one);"
            "return one.closest('svg') ? style.fill : style.color",
            selector,
        )
        ground = opened.browser.execute_script(
            "return getComputedStyle(document.querySelector('section')).backgroundColor"
        )
        assert contrast(ink, ground) >= 4.5


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1, of colours as ``rgb(…)``."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    channels = [int(each) / 255 for each in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
