"""The page in a real browser: no horizontal scroll, no error, no request, figures drawn, buttons that work."""

from __future__ import annotations

from pathlib import Path

import pytest

from steepest.report import write_report
from tests.report.browser import Browser, Page
from tests.report.example import EXAMPLES

pytestmark = pytest.mark.browser

WIDTHS = {"phone": 390, "laptop": 1280}
SPILLED = """
(() => {
  const clipped = each => each && each !== document.body
    && (getComputedStyle(each).overflowX !== "visible" || clipped(each.parentElement));
  return [...document.querySelectorAll("body *")].filter(each =>
    each.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !clipped(each.parentElement)
  ).slice(0, 5).map(each => each.tagName + "." + each.className);
})()
"""


DRAWN_WIDER = """
[...document.querySelectorAll(".figure")].filter(each => each.querySelector(".main-svg")
  && Math.abs(each.querySelector(".main-svg").getBoundingClientRect().width - each.clientWidth) > 1
).map(each => each.id)
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    return {name: write_report(make(), folder / f"{name}.html") for name, make in EXAMPLES.items()}


def scroll(page: Page) -> int:
    return page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("device", WIDTHS)
def test_page_fits_and_is_silent(name: str, device: str, browser: Browser, reports: dict[str, Path]) -> None:
    result = EXAMPLES[name]()
    dark = device == "phone"
    with browser.page(reports[name], width=WIDTHS[device], dark=dark) as page:
        assert page.run("window.innerWidth") == WIDTHS[device]
        assert scroll(page) <= 0
        assert page.run(SPILLED) == []
        assert page.complaints() == []
        assert page.requests() == []
        assert page.run("typeof window.broken") == "undefined"
        figures = 1 * bool(result.curves) + 1 * bool(result.rates) + 1 * bool(result.classes)
        assert page.run("document.querySelectorAll('.figure .main-svg').length > 0") == bool(figures)
        assert page.run("document.querySelectorAll('.figure.js-plotly-plot').length") == figures


@pytest.mark.parametrize("name", EXAMPLES)
def test_figures_follow_the_window(name: str, browser: Browser, reports: dict[str, Path]) -> None:
    with browser.page(reports[name], width=1280) as page:
        for width in (800, 390, 1000):
            page.send(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
            )
            assert page.run("window.innerWidth") == width
            assert scroll(page) <= 0  # before anything is redrawn
            page.run("new Promise(done => setTimeout(done, 600))")
            assert scroll(page) <= 0
            assert page.run(SPILLED) == []
            assert page.run(DRAWN_WIDER) == []
        page.run("document.querySelector('main').style.maxWidth = '600px'")
        assert page.run(SPILLED) == []
        page.run("new Promise(done => setTimeout(done, 600))")
        assert page.run(DRAWN_WIDER) == []
        assert page.complaints() == []


def test_theme_switch_recolours_page_and_figures(browser: Browser, reports: dict[str, Path]) -> None:
    line = "#figure-curves .scatterlayer .js-line[style*='stroke-width: 2px']"
    look = f"""[getComputedStyle(document.body).backgroundColor,
                document.querySelector("{line}").style.stroke]"""
    with browser.page(reports["crimes"], width=1280, dark=False) as page:
        light = page.run(look)
        page.run("localStorage.clear(); document.getElementById('theme').click()")
        dark = page.run(look)
        assert all(one != other for one, other in zip(light, dark, strict=True))
        page.run("dispatchEvent(new Event('beforeprint'))")
        assert page.run(look)[1] == light[1]
        page.run("dispatchEvent(new Event('afterprint'))")
        assert page.run(look) == dark
        page.run("document.getElementById('theme').click(); localStorage.clear()")
        assert page.complaints() == []
    with browser.page(reports["crimes"], width=1280, dark=True) as page:
        assert page.run(look) == dark


def test_switches_change_the_figure(browser: Browser, reports: dict[str, Path]) -> None:
    with browser.page(reports["crimes"], width=1280) as page:
        box = "document.getElementById('figure-curves')"
        lines = f"{box}.querySelectorAll('.scatterlayer .trace').length"
        assert page.run(f"{box}.layout.xaxis.title.text") == "step"
        close = page.run(f"{box}.layout.yaxis.range")
        page.run("document.querySelector('[data-figure=curves-seconds]').click()")
        assert page.run(f"{box}.layout.xaxis.title.text") == "seconds of training"
        page.run("document.querySelector('[data-range=curves] [data-whole=\"1\"]').click()")
        whole = page.run(f"{box}.layout.yaxis.range")
        assert whole[1] - whole[0] > 2 * (close[1] - close[0])
        before = page.run(lines)
        page.run("document.querySelector('[data-chips=curves] [data-name=sgd]').click()")
        assert page.run(lines) == before - 3
        page.run("document.querySelector('[data-chips=curves] [data-name=sgd]').click()")
        assert page.run(lines) == before
        assert page.complaints() == []


def test_of_many_lines_all_can_be_hidden_to_see_a_few(browser: Browser, reports: dict[str, Path]) -> None:
    shown = "document.querySelectorAll('#figure-curves .scatterlayer .trace').length"
    with browser.page(reports["crimes"], width=1280) as page:
        every = page.run(shown)
        none, all_ = (
            f"document.querySelectorAll('[data-chips=curves] .every')[{place}].click()" for place in (0, 1)
        )
        page.run(none)
        assert page.run(shown) == 0
        page.run("document.querySelector('[data-chips=curves] [data-name=sgd]').click()")
        assert page.run(shown) == 3
        page.run(all_)
        assert page.run(shown) == every
        assert page.complaints() == []
    with browser.page(reports["rent"], width=1280) as page:
        assert page.run("document.querySelectorAll('.every').length") == 0


def test_copy_button_copies_the_command(browser: Browser, reports: dict[str, Path]) -> None:
    with browser.page(reports["crimes"], width=390) as page:
        page.run("navigator.clipboard.writeText = async text => { window.copied = text; }")
        page.run("document.querySelector('.do-copy').click()")
        assert page.run("window.copied") == EXAMPLES["crimes"]().use[0].value
        assert page.run("document.querySelector('.do-copy').textContent") == "copied"


def test_checks_can_fail(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(
        "<!doctype html><meta name=viewport content='width=device-width'><link rel=icon href='data:,'>"
        "<p style='width:2000px'>wide</p><img src='missing.png'>"
        "<script>console.error('loud'); document.documentElement.dataset.ready = 'yes';</script>"
        "<script>throw new Error('broken')</script>",
        encoding="utf-8",
    )
    with browser.page(path, width=390) as page:
        assert scroll(page) > 0
        assert page.run(SPILLED) == ["P."]
        complaints = " ".join(page.complaints())
        assert "loud" in complaints
        assert "broken" in complaints
        assert [each.rpartition("/")[2] for each in page.requests()] == ["missing.png"]


def test_arrows_of_differences_beyond_the_scale_stay_off_the_numbers_beside(
    browser: Browser, reports: dict[str, Path]
) -> None:
    outside = """
    [...document.querySelectorAll(".contrast .left, .contrast .right")].map(arrow => {
      const [own, track] = [arrow, arrow.closest(".track")].map(each => each.getBoundingClientRect());
      return own.left >= track.left - 1 && own.right <= track.right + 1;
    })
    """
    with browser.page(reports["crimes"], width=1100) as page:
        found = page.run(outside)
    assert found
    assert all(found)
