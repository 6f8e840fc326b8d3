"""The page in a real browser: what only one can tell."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from model.report.findings import find
from model.report.page import render
from model.report.queries import Counts
from model.report.tiles import Tiles

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
TIMEOUT_S = 120
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is here")

ASK = """<script>
addEventListener("load", () => {
const asked = {errors: window.errors};
asked.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
asked.broken = [...document.querySelectorAll("img[src]")].filter(i => !i.naturalWidth).length;
const map = document.querySelector(".map"), tip = document.getElementById("tip");
map.scrollIntoView();
const mark = [...map.querySelectorAll("use.misread")].at(-1);
const box = mark.getBoundingClientRect();
const at = {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2};
map.dispatchEvent(new PointerEvent("pointermove", at));
asked.hidden = tip.hidden; asked.said = tip.innerText.trim();
asked.expected = `${mark.parentNode.dataset.value}, read as ${mark.dataset.read}`;
asked.picture = tip.querySelector("img").src === thumbnails[mark.dataset.row];
map.dispatchEvent(new PointerEvent("pointerleave"));
asked.left = tip.hidden;
const button = document.querySelector(".legend button");
button.click();
const faint = g => getComputedStyle(g).opacity < 0.5;
asked.alone = [...map.querySelectorAll("g")].filter(g => !faint(g)).map(g => g.dataset.value);
asked.pressed = button.dataset.value;
map.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
asked.stepped = map.querySelector(".pointed").parentNode.dataset.value;
button.click();
asked.again = [...map.querySelectorAll("g")].filter(faint).length;
const answer = document.createElement("pre");
answer.id = "answer"; answer.textContent = JSON.stringify(asked); document.body.append(answer);
});
</script>"""
LISTEN = "<script>errors = []; onerror = m => errors.push(String(m));</script>"


@pytest.fixture(scope="module")
def html(encoder, drawn):
    found = find(
        encoder,
        drawn,
        split="all",
        data="labels.csv",
        file_bytes=7,
        names=["collar"],
        counts=Counts(worst=1, best=1),
    )
    return render(found, Tiles(drawn.table.files, "pad"))


def asked(html, folder, width):
    (folder / "page.html").write_text(
        html.replace("<head>", f"<head>{LISTEN}").replace("</body>", f"{ASK}</body>")
    )
    done = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900"),
            *("--dump-dom", f"file://{folder / 'page.html'}"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout)
    assert answer, "the page's script did not come to its end"
    return json.loads(unescape(answer[1]))


@pytest.mark.parametrize("width", [1400, 600])
def test_a_browser_shows_the_page_without_errors_and_without_scrolling_sideways(
    html, tmp_path, width
):
    answer = asked(html, tmp_path, width)
    assert answer["errors"] == []
    assert answer["broken"] == 0
    assert answer["wide"] <= 0


def test_pointing_shows_the_garment_and_a_value_can_be_seen_alone(html, tmp_path):
    answer = asked(html, tmp_path, 1400)
    assert (answer["hidden"], answer["said"], answer["picture"]) == (
        *(False, answer["expected"], True),
    )
    assert answer["left"] is True
    assert answer["alone"] == [answer["pressed"]] == [answer["stepped"]]
    assert answer["again"] == 0
