"""The page as a reader meets it: in headless Chromium, with mouse, keyboard, phone, dark screen and paper."""

from __future__ import annotations

import time

import pytest
from browser import Browser, program

OPEN = "document.querySelector('#card').open"
TITLE = "document.querySelector('#card h2').textContent"
MAIN = "#glmd-table3"
METHODS = f"[...document.querySelectorAll('{MAIN} tbody tr:not(.group)')].filter(r => r.offsetHeight)"
CONTRAST = """(() => {
  const numbers = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const ratio = (node) => {
    const [a, b] = [light(numbers(getComputedStyle(node).color)), light(behind(node))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const written = [...document.querySelectorAll('body *')].filter((node) =>
    node.checkVisibility() && [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  const named = (node) => `${node.tagName}.${node.className} ${node.textContent.slice(0, 40)}`;
  return written.map((node) => [ratio(node), named(node)])
    .sort((a, b) => a[0] - b[0]).slice(0, 3).concat([[written.length, 'nodes']]);
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = program()
    if found is None:
        pytest.skip("no Chromium here: install it, or name it with RETORT_BROWSER (see CONTRIBUTING.md)")
    with Browser(found, tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def reader(browser, page):
    """The page, newly opened at 1280 x 900; no test may leave an error in the console."""
    browser.size(1280, 900)
    browser.prefer("light")
    browser.open(page.as_uri())
    yield browser
    browser.run("1")
    assert problems(browser) == []


def problems(browser):
    events = [(event["method"], event["params"]) for event in browser.events]
    thrown = [found for method, found in events if method == "Runtime.exceptionThrown"]
    logged = [found["entry"] for method, found in events if method == "Log.entryAdded"]
    calls = [found for method, found in events if method == "Runtime.consoleAPICalled"]
    return thrown + logged + calls


def test_nothing_is_fetched(reader, page):
    sent = [event["params"] for event in reader.events if event["method"] == "Network.requestWillBeSent"]
    addresses = [found["request"]["url"] for found in sent]
    assert addresses[0] == page.as_uri()
    assert all(address.startswith("data:") for address in addresses[1:])
    fetched = reader.run("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert all(address.startswith("data:") for address in fetched)
    assert reader.run("[...document.images].every(image => image.naturalWidth > 100)")


def column(reader, place, rows=METHODS):
    return reader.run(f"{rows}.map(row => row.cells[{place}].textContent.trim())")


def heading(name):
    found = f"[...document.querySelectorAll('{MAIN} thead th')].find(h => h.textContent.startsWith('{name}'))"
    return found, f"{found}.cellIndex"


def test_columns_sort_as_numbers_within_their_groups(reader):
    found, index = heading("SuperGLUE")
    place = reader.run(index)
    groups = f"[...document.querySelectorAll('{MAIN} tbody')].map(b => b.innerText.split('\\n')[0])"
    before, order = reader.run(groups), column(reader, 0)
    reader.run(f"{found}.querySelector('button').id = 'sorter'")
    reader.click("#sorter")
    assert reader.run(f"{found}.ariaSort") == "descending"
    assert reader.run(groups) == before
    bodies = f"[...document.querySelectorAll('{MAIN} tbody')]"
    inside = f"{bodies}.map(b => [...b.querySelectorAll('tr:not(.group)')].filter(r => r.offsetHeight)"
    values = reader.run(f"{inside}.map(r => parseFloat(r.cells[{place}].textContent)))")
    assert max(len(group) for group in values) >= 3
    assert all(group == sorted(group, reverse=True) for group in values)
    reader.click("#sorter")
    assert reader.run(f"{found}.ariaSort") == "ascending"
    reader.click("#sorter")
    assert reader.run(f"{found}.ariaSort") == "none"
    assert column(reader, 0) == order


def test_columns_sort_by_keyboard_and_across_groups(reader):
    found, index = heading("SuperGLUE")
    reader.run(f"{found}.querySelector('button').focus()")
    reader.press("Enter")
    reader.press(" ")
    assert reader.run(f"{found}.ariaSort") == "ascending"
    reader.run(f"document.querySelector('{MAIN} .tools label:last-child input').id = 'mixer'")
    reader.click("#mixer")
    values = [float(text.split()[0]) for text in column(reader, reader.run(index))]
    assert values == sorted(values)
    assert reader.run(f"document.querySelectorAll('{MAIN} [aria-sort=ascending]').length") == 1


def test_sizes_with_units_sort_by_size(reader):
    assert reader.run(f"{METHODS}.length") < reader.run(
        f"document.querySelectorAll('{MAIN} td:last-child').length"
    )
    reader.click(f"{MAIN} .toggle input")
    found, index = heading("Paper\\'s size")
    reader.run(f"{found}.querySelector('button').id = 'sorter'")
    reader.run(f"document.querySelector('{MAIN} .tools label:last-child input').click()")
    reader.click("#sorter")
    shown = [text for text in column(reader, reader.run(index)) if text]
    units = {"M": 1e6, "B": 1e9}
    sizes = [float(text[:-1]) * units[text[-1]] for text in shown]
    assert len({text[-1] for text in shown}) == 2
    assert sizes == sorted(sizes, reverse=True)


def test_a_score_leads_to_its_runs_and_a_run_to_its_card(reader):
    depth = reader.run("history.length")
    reader.run(f"[...document.querySelectorAll('{MAIN} td a')].at(-1).id = 'score'")
    reader.click("#score")
    assert reader.run(OPEN)
    assert reader.run("document.querySelectorAll('#card tbody tr').length") == 24
    reader.click("#card table a")
    card = reader.run("document.querySelector('#card').innerText")
    for expected in ("abc123", "KL(squared, temperature=2)", "cross-entropy with the labels", "2 epochs"):
        assert expected in card
    assert "ab" * 32 in card and "python scripts/train.py --stage" in card
    again = reader.run("document.querySelector('#card pre').textContent")
    assert again.startswith("python scripts/rerun.py ") and again.endswith("/card.json")
    assert reader.run("document.querySelectorAll('#card .curves svg').length") == 4
    reader.run("history.back()")
    reader.wait("document.querySelectorAll('#card tbody tr').length == 24")
    reader.run("history.forward()")
    reader.wait("document.querySelectorAll('#card .curves svg').length == 4")
    reader.press("Escape")
    reader.wait(f"!{OPEN} && location.hash === ''")
    assert reader.run("history.length") == depth + 2  # both steps can still be gone forward
    assert reader.run("document.activeElement.id") == "score"


def test_a_card_opens_by_address_and_closes_by_button(reader, page):
    name = reader.run("document.querySelector('details.runs a[data-run]').hash")
    reader.open(page.as_uri() + name)
    assert reader.run(OPEN)
    assert reader.run(TITLE) == "Pretraining"
    reader.click("#card .close")
    reader.wait(f"!{OPEN} && location.hash === ''")


def test_claims_are_filtered_by_verdict(reader):
    shown = "[...document.querySelectorAll('#glmd-claims tbody tr')].filter(r => r.offsetHeight)"
    rows = f"{shown}.map(r => r.dataset.verdict ?? r.innerText.trim())"
    assert reader.run(rows) == ["Table 3", "supported", "undecided"]
    reader.click(".strip a[data-verdict='undecided']")
    assert reader.run(rows) == ["Table 3", "undecided"]
    reader.click(".strip a[data-verdict='not run']")
    assert reader.run(rows) == ["Table 5", "not run"]
    reader.click(".filters button[aria-pressed='true']")
    assert len(reader.run(rows)) == 5


def test_figures_enlarge_and_close(reader):
    reader.click("#glmd-figure2 figure button")
    width = "document.querySelector('#zoom img').getBoundingClientRect().width"
    before = reader.run(width)
    reader.click("#zoom button[aria-label=Larger]")
    assert reader.run(width) > 1.4 * before
    reader.press("Escape")
    assert not reader.run("document.querySelector('#zoom').open")


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_only_tables_scroll_sideways(reader, width):
    reader.size(width, 740, phone=width < 500)
    for details in ("true", "false"):
        reader.run(f"for (const d of document.querySelectorAll('details')) d.open = {details}")
        assert reader.run("document.documentElement.scrollWidth") <= width
    reader.run(f"document.querySelector('{MAIN} td a').click()")
    for _ in range(2):
        assert (
            reader.run("(card => card.scrollWidth - card.clientWidth)(document.querySelector('#card'))") <= 0
        )
        reader.run("document.querySelector('#card table a')?.click()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(reader, scheme):
    """WCAG AA: at least 4.5 to 1, for everything that is written, in the page and in a card."""
    reader.prefer(scheme)
    background = reader.run("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background[4:-1].split(","))) / 3
    assert brightness > 200 if scheme == "light" else brightness < 50
    reader.run("for (const d of document.querySelectorAll('details')) d.open = true")
    *worst, (written, _) = reader.run(CONTRAST)
    assert written > 300
    assert worst[0][0] >= 4.5, worst
    reader.run("document.querySelector('details.runs a[data-run]').click()")
    *worst, _ = reader.run(CONTRAST.replace("'body *'", "'#card *'"))
    assert worst[0][0] >= 4.5, worst


def test_tab_goes_from_the_skip_link_through_the_contents(reader):
    reader.press("Tab")
    assert reader.run("document.activeElement.className") == "skip"
    assert reader.run("document.activeElement.getBoundingClientRect().left") >= 0
    reader.press("Tab")
    assert reader.run("document.activeElement.textContent") == "What was run"
    assert reader.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_everything_is_printed(reader):
    pdf = reader.pdf()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") > 3
    opened = "document.querySelectorAll('details[open]').length"
    reader.run("dispatchEvent(new Event('beforeprint'))")
    assert reader.run(opened) == reader.run("document.querySelectorAll('details').length")
    reader.run("dispatchEvent(new Event('afterprint'))")
    assert reader.run(opened) == 0
    reader.call("Emulation.setEmulatedMedia", media="print")
    boxes = "[...document.querySelectorAll('.wide')]"
    assert reader.run(f"{boxes}.every(box => getComputedStyle(box).overflowX === 'visible')")
    assert reader.run("getComputedStyle(document.querySelector('.contents')).display") == "none"
    reader.call("Emulation.setEmulatedMedia", media="")


def test_page_is_readable_without_its_script(browser, page):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page.as_uri())
        time.sleep(0.1)
        assert browser.run("document.querySelectorAll('th button').length") == 0
        assert browser.run(f"{METHODS}.length") > 5
        link = browser.run("document.querySelector('details.runs a[data-run]').getAttribute('href')")
        assert (page.parent / link).is_file()
        assert browser.run("document.querySelector('noscript p') !== null")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
