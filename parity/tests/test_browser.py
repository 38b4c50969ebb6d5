"""The report does in a browser what it promises: it filters, opens ops, follows anchors, prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from browsing import CONTRAST, SWITCHES, chromium, watched
from reports import small

from parity import engines
from parity.bench import costs, rows
from parity.report import changes, page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "</code><script>document.title = 'owned'</script><img src=x onerror=alert(1)>"
# Room for a machine that is shared: alone, two seconds are many.
PATIENCE = 10_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on the path, and none named by PARITY_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report on minigrad and micrograd in which one check failed, hostilely."""
    found = small(engines.load("minigrad"), engines.load("micrograd"))
    before: dict[str, Any] = {**found, "results": [dict(result) for result in found["results"]]}
    result = next(r for r in found["results"] if (r["op"], r["check"]) == ("matmul", "backward"))
    result.update(status="failed", error=None, message=HOSTILE)
    found["engines"][0]["failed"] = 1
    found["engines"][1]["executor"] = HOSTILE
    found["ops"][0]["cases"][0].update(why=HOSTILE, call=f"exp[0]: {HOSTILE}")
    found["ops"][0]["formula"] = HOSTILE
    found["ops"][0]["code"]["minigrad"][0]["text"] = f"# {HOSTILE}"
    found["trainings"][0]["text"] = HOSTILE
    found["passed"] = False
    found["changes"] = changes.since(found, before)
    found["speed"] = timed()
    folder = tmp_path_factory.mktemp("report")
    page.write(found, folder)
    return (folder / "index.html").as_uri()


def timed() -> dict[str, Any]:
    """Three ops of different costs on minigrad beside torch, and how one of them grows."""
    made = [
        rows.Row(
            *(kind, f"{op}({n})", op, "minigrad", "torch", rows.BOTH, str(n), "float32"),
            *(ratio, 0.9 * ratio, 1.1 * ratio, ratio * n * 1e-6, n * 1e-6, False),
            elements=n,
            cost=costs.Cost(nodes=nodes, moved=moved, share=0.5, bound="moved"),
        )
        for kind, op, n, ratio, nodes, moved in (
            ("ops", "exp", 4, 1.5, 1, None),
            ("ops", "matmul", 4, 0.5, 12, 90_000),
            ("ops", "argmax", 4, 3.0, 9, 2_000),
            *(("scaling", "exp", n, 1.5, 1, None) for n in (4, 8, 16)),
        )
    ]
    return rows.document(made, [engines.load("minigrad")], 1)


@pytest.fixture(params=[390, 820, 1280], ids=lambda width: f"{width}px")
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """The report; at the end nothing may have gone wrong in it."""
    yield from watched(browser, address, {"width": 1280, "height": 900})


def listed(page: Page) -> list[str]:
    """The ops and parts that are shown."""
    return page.locator("[data-name]:visible").evaluate_all("all => all.map(e => e.dataset.name)")


def test_it_is_there_at_once(opened: Page) -> None:
    began = time.perf_counter()
    opened.reload()
    opened.get_by_label("Find").fill("exp")
    opened.wait_for_function("() => document.querySelector('output').textContent === '1 of 6 rows'")

    assert time.perf_counter() - began < PATIENCE / 1000
    ready = opened.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
    assert 0 < ready < PATIENCE
    assert opened.evaluate("typeof Plotly") == "undefined", "the figures are not in sight yet"


def test_it_filters_by_text_family_and_state(opened: Page) -> None:
    assert listed(opened) == ["exp", "argmax", "matmul", "Tanh", "SGD", "StepLR"]
    opened.get_by_label("Find").fill("MAT")
    assert listed(opened) == ["matmul"]
    opened.get_by_label("Find").fill("")
    opened.get_by_label("Family").select_option("reduction")
    assert listed(opened) == ["argmax"]
    opened.get_by_label("Family").select_option("")
    opened.get_by_label("Show").select_option("failed")
    assert listed(opened) == ["matmul"]
    assert opened.get_by_role("status").text_content() == "1 of 6 rows"


def test_it_filters_engines(opened: Page) -> None:
    heads = opened.locator("#ops table").first.locator("thead th:visible")
    before = heads.count()
    opened.get_by_label("micrograd", exact=True).uncheck()

    assert heads.count() == before - 5, "its name and four columns"
    assert "micrograd" not in opened.locator("#ops table").first.inner_text()
    opened.get_by_label("micrograd", exact=True).check()
    assert heads.count() == before


def test_an_op_opens_and_closes_by_mouse_and_keyboard(opened: Page) -> None:
    opened.locator("#ops").get_by_role("link", name="matmul").click()
    dialog = opened.get_by_role("dialog", name="matmul")
    dialog.wait_for()
    for engine in ("minigrad", "micrograd"):
        assert (
            "def matmul("
            in dialog.get_by_role("region", name=f"matmul in {engine}", exact=True).inner_text()
        )
    assert opened.url.endswith("#op-matmul")

    opened.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert "#" not in opened.url
    assert opened.evaluate("document.activeElement.textContent") == "matmul"

    opened.keyboard.press("Enter")
    dialog.wait_for()
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="hidden")


def test_the_way_back_is_the_browsers(opened: Page) -> None:
    opened.locator("#ops").get_by_role("link", name="exp").click()
    opened.get_by_role("dialog", name="exp").wait_for()
    opened.get_by_role("link", name="argmax →").click()
    opened.get_by_role("dialog", name="argmax").wait_for()
    opened.go_back()
    opened.get_by_role("dialog", name="exp").wait_for()
    opened.go_back()
    opened.get_by_role("dialog").wait_for(state="hidden")


def test_a_link_to_a_case_leads_there(browser: Browser, address: str) -> None:
    size = {"width": 1280, "height": 900}
    for shown in watched(browser, f"{address}#op-matmul-3", size):
        case = shown.locator("#op-matmul-3")
        case.wait_for()
        shown.wait_for_function(
            "() => document.getElementById('op-matmul-3').className.includes('marked')"
        )
        assert case.get_by_role("heading").inner_text().startswith("matmul[3]")
        box = case.bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 900
        command = 'parity check --engine minigrad,micrograd --case "matmul[3]"'
        assert command in case.inner_text()


def test_a_failure_leads_to_its_case_and_back(opened: Page) -> None:
    opened.locator("#ops td.bad a").first.click()
    failure = opened.locator(".failure:target")
    failure.wait_for()
    failure.get_by_role("link").click()
    opened.get_by_role("dialog", name="matmul").wait_for()
    opened.locator(".one.marked td.bad a").first.click()
    opened.get_by_role("dialog").wait_for(state="hidden")
    assert opened.locator(".failure:target").is_visible()


def test_text_from_outside_is_text(opened: Page) -> None:
    assert HOSTILE in opened.locator("body").inner_text()
    opened.locator("#ops").get_by_role("link", name="exp").click()
    dialog = opened.get_by_role("dialog", name="exp")
    dialog.wait_for()

    assert dialog.inner_text().count("document.title = 'owned'") >= 3
    assert opened.locator("img").count() == 0
    assert opened.title() == "Failed: partial parity report"


def test_figures_are_drawn_when_they_come_into_sight(opened: Page) -> None:
    opened.get_by_role("navigation", name="Sections").get_by_role("link", name="Runs").click()
    opened.locator("#runs .drawing .main-svg").first.wait_for()

    assert opened.locator("#runs .drawing .trace").count() > 3
    assert "deviation (eps)" in opened.locator("#runs .drawing").first.text_content()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sized(browser: Browser, address: str, width: int, scheme: Any) -> Iterator[Page]:
    viewport = {"width": width, "height": 900}
    yield from watched(browser, address, viewport, color_scheme=scheme)


def test_every_width_in_the_light_and_in_the_dark(sized: Page, width: int, scheme: str) -> None:
    fits = "document.documentElement.scrollWidth <= innerWidth"
    ground = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0] > 128"

    assert sized.evaluate(fits), "the page scrolls sideways"
    assert sized.evaluate(ground) == (scheme == "light")
    assert sized.evaluate(CONTRAST) == []
    sized.locator("#ops").get_by_role("link", name="matmul").click()
    dialog = sized.get_by_role("dialog", name="matmul")
    dialog.wait_for()
    assert sized.evaluate(f"{fits} && document.querySelector('dialog').scrollWidth <= innerWidth")
    assert sized.evaluate(CONTRAST) == []


def test_figures_follow_the_scheme(opened: Page) -> None:
    ink = "getComputedStyle(document.querySelector('.drawing .legendtext')).fill"
    opened.locator("#runs").scroll_into_view_if_needed()
    opened.locator("#runs .drawing .legendtext").first.wait_for()
    before = opened.evaluate(ink)
    opened.emulate_media(color_scheme="dark")

    opened.wait_for_function(f"() => {ink} !== '{before}'")


def test_it_prints_what_matters(opened: Page) -> None:
    opened.emulate_media(media="print")
    assert opened.locator("#ops table").first.is_visible()
    assert not opened.get_by_label("Find").is_visible()
    opened.emulate_media(media="screen")
    opened.locator("#ops").get_by_role("link", name="exp").click()
    opened.get_by_role("dialog", name="exp").wait_for()
    opened.emulate_media(media="print")
    assert not opened.locator("#ops").is_visible()
    assert opened.locator("#op-exp-0").is_visible()


def test_a_keyboard_reaches_everything(opened: Page) -> None:
    reached = set()
    for _ in range(40):
        opened.keyboard.press("Tab")
        reached.add(
            opened.evaluate(
                "document.activeElement.textContent.trim() || document.activeElement.name"
            )
        )
        visible = opened.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )
        assert visible, "what has the focus is not marked"
    assert {"Ops", "Runs", "text", "exp", "matmul"} <= reached


def test_the_ledger_is_sorted_by_a_head(opened: Page) -> None:
    opened.locator("#speed summary", has_text="sorted by a click").click()
    table = opened.get_by_role("region", name="Costs of ops")

    def column(name: str, number: int) -> list[str]:
        table.get_by_role("button", name=name).click()
        own = table.locator("tbody tr", has_text="minigrad")
        return own.evaluate_all(f"all => all.map(row => row.cells[{number}].textContent)")

    assert column("nodes", 5) == ["1", "9", "12"]
    assert column("nodes", 5) == ["12", "9", "1"]
    assert column("moves at least", 9) == ["2 kB", "90 kB", "–"]
    assert column("moves at least", 9) == ["90 kB", "2 kB", "–"], "what is unknown stays last"
    assert column("work", 1) == ["argmax(4)", "exp(4)", "matmul(4)"]
    head = table.locator("th", has_text="work")
    assert head.get_attribute("aria-sort") == "ascending"
    assert table.locator("th[aria-sort]").count() == 1


def test_growth_is_drawn(opened: Page) -> None:
    opened.locator("#growth").scroll_into_view_if_needed()
    opened.locator("#growth-exp-details .main-svg").first.wait_for()

    assert opened.locator("#growth-exp-details .trace").count() == 2


def test_changes_name_what_got_worse(opened: Page) -> None:
    text = opened.locator("#changes").inner_text()

    assert "1 worse, 0 better" in text
    assert "matmul" in text


def test_the_watch_sees_errors_and_requests(browser: Browser, address: str) -> None:
    opened = watched(browser, address, {"width": 800, "height": 600})
    next(opened).evaluate("console.error('no'); fetch('https://example.org/').catch(() => 0)")

    with pytest.raises(AssertionError, match=r"error: no.*Content Security Policy"):
        list(opened)
