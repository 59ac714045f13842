"""The pages in a browser: search, filters, keyboard, themes, narrow screens, accessibility.

Run by `nox -s site_tests`, separately from the other tests: needs Debian's chromium.
"""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from broken_convnets.commands.explain import index_file, numbers, ranking, reading
from broken_convnets.commands.explain.matching import explain
from broken_convnets.commands.explain.symptoms.documents import document_for
from broken_convnets.commands.explain.symptoms.matching import symptoms_in
from broken_convnets.commands.site.build import build
from broken_convnets.corpus.entries import default_root, load
from kit import Pair, corpus_of, put
from playwright.sync_api import expect, sync_playwright
from test_numbers import SAID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

    Visit = Callable[..., Page]

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE: ViewportSize = {"width": 375, "height": 740}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PAGES = [
    "index.html",
    "none/missing_return.html",
    "training/missing_zero_grad.html",
    "module/unused_squeezenet_fc.html",
    "batch/batchnorm_batch_of_one.html",
    "training/lightning_step_signature.html",
    "myths.html",
    "why-none.html",
    "symptoms.html",
    "symptoms/loss_does_not_fall.html#questions",
    "releases.html",
    "messages.html",
    "scoreboard.html",
    "learn.html",
    "timings.html",
    "coverage.html",
    "trace.html",
]
TRACEBACK = """\
Epoch 1:   0%|          | 0/100 [00:00<?, ?it/s]
Traceback (most recent call last):
  File "/home/ana/thesis/train.py", line 88, in <module>
    logits = model(batch)
  File "/venv/lib/python3.12/site-packages/torch/nn/modules/module.py", line 1775, in _call_impl
    return forward_call(*args, **kwargs)
  File "/home/ana/thesis/model.py", line 41, in forward
    return self.head(torch.flatten(features, 1))
TypeError: flatten(): argument 'input' (position 1) must be Tensor, not NoneType
"""


PASTED = [
    Path(__file__).parent / "data" / f"{name}.jsonl" for name in ("foreign", "pasted", "misleading")
]
REPORTS = Path(__file__).parent / "data/symptoms.jsonl"
NONE = "Why does the input tensor become None inside the ConvNet?"
WITHOUT_MESSAGE = [
    NONE,
    "My loss doesn\u2019t go down",
    "weight loss does not go down, my diet",
    "Loss\tis\n\nNaN",
    "hello",
    "",
    "accuracy is stuck at 10 % \U0001f525",
]
HELD_OUT = Path(__file__).parent / "data" / "held_out.jsonl"
# Texts that Python and JavaScript might treat differently: alphabets, spaces, line ends, logs.
ODD_TEXTS = [
    "",
    "\u00a0\u2003RuntimeError:\u00a0mat1 and mat2 shapes cannot be multiplied (4x8 and 9x10)\u0085",
    "\U0001f525" * 3000 + "\r\nRuntimeError: expected scalar type Long but found Float\r\n",
    "AttributeErrör: 'NoneType' object has no attribute 'size'",
    "OutOfMemoryError\nValueError: Target size (torch.Size([4])) must be the same as input size",
    "E       TypeError: 'NoneType' object is not callable\nnet.py:41: TypeError",
    "[rank0]: KeyError: 'x'\n2026-01-02 03:04:05 ERROR RuntimeError: size '[4, -1]' is invalid",
    "why do I get “expected input[4, 8, 8, 3] to have 3 channels, but got 8 channels” here?",
    "my loss is nan > and the gradient of `fc` is None: what does it mean?\n" * 30,
    'Error(s) in loading:\n\tMissing key(s) in state_dict: "a".\n\tUnexpected key(s): "module.a".',
    TRACEBACK + "\nThanks!\x1b[0m\n```\n> ------> 3 x = self.conv(x)",
]


# Messages whose meaning depends on how their sizes relate.
WITH_NUMBERS = [
    "mat1 and mat2 shapes cannot be multiplied ({a}x{b} and {c}x10)",
    "expected input[{a}, {b}, 8, 8] to have {c} channels, but got {b} channels instead",
    "groups=2, expected input[2, {a}, {b}] to have {c} channels, but got {a} channels instead",
    "tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {c}",
    "must match except in dimension {a}. Expected size {b} but got size {c} for tensor number 1",
    "got [{a}, {b}, 9] at entry 0 and [{a}, {c}, 9] at entry 3",
    "shape '[{a}, {b}]' is invalid for input of size {c}",
    "input to conv2d, but got input of size: [{a}, {b}, {c}, 4, 5]",
    "Expected input batch_size ({a}) to match target batch_size ({b}). Target {c} is out of bounds",
    "Target size (torch.Size([{a}, {b}])) must be the same as input size (torch.Size([{c}]))",
    "Given input size: (2x{a}x{b}). Calculated output size: (2x0x{c})",
    "Tensor [{a}]], which is output 0 of ReluBackward0, is at version {b}; expected version {c}",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if BROWSER is None:
        pytest.fail("no chromium on the PATH: install it with `apt-get install chromium`")
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root, the user of continuous integration.
        yield playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "site"
    build(load(default_root()), out)
    return out


@pytest.fixture
def visit(browser: Browser, site: Path) -> Iterator[Visit]:
    """Open pages from files; console messages, errors and network requests fail the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(path: str, root: Path = site, **options: Any) -> Page:
        options.setdefault("viewport", DESKTOP)
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.extend(_foreign(request.url)))
        page.goto((root / path).as_uri() if "#" not in path else f"{root.as_uri()}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def _foreign(url: str) -> list[str]:
    return [] if url.startswith(("file:", "data:")) else [url]


def _shown(page: Page) -> list[str]:
    read = "rows => rows.map(row => row.dataset.id)"
    shown: list[str] = page.eval_on_selector_all("#cases > li:not([hidden])", read)
    return shown


def _paste(page: Page, text: str) -> None:
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.locator("#query").focus()
    page.keyboard.press("Control+V")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_and_is_accessible(path: str, visit: Visit) -> None:
    page = visit(path)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    for viewport, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in _violations(page)] == []


def _violations(page: Page) -> list[dict[str, Any]]:
    """Return the violations that axe-core finds; it must not load the style sheet again."""
    found: list[dict[str, Any]] = Axe().run(page, options={"preload": False}).response["violations"]
    return found


def test_the_accessibility_check_finds_violations(tmp_path: Path, visit: Visit) -> None:
    put(tmp_path / "sick.html", "<title>x</title><img src='data:,'><p style='color:#ddd'>pale")
    found = {each["id"] for each in _violations(visit("sick.html", tmp_path))}
    assert {"image-alt", "html-has-lang", "color-contrast"} <= found


def test_the_themes_differ(visit: Visit) -> None:
    backgrounds = {
        scheme: visit("index.html", color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    }
    assert backgrounds["light"] > backgrounds["dark"]


def test_a_pasted_traceback_finds_its_case(visit: Visit) -> None:
    page = visit("index.html", permissions=["clipboard-read", "clipboard-write"])
    everything = len(_shown(page))
    _paste(page, TRACEBACK)
    assert _shown(page)[0] == "none/missing_return"
    assert len(_shown(page)) < everything
    expect(page.locator("li.first .distinguish")).to_contain_text("one of your own layers")
    expect(page.locator("#status")).to_contain_text("best match first")
    page.locator("#clear").click()
    assert len(_shown(page)) == everything


def test_the_browser_ranks_like_explain(visit: Visit) -> None:
    found_index = index_file.read(default_root())
    documents = found_index.documents
    texts = [f"{one.raises}: {one.message}" if one.raises else one.message for one in documents]
    texts += [one.message for one in documents] + ODD_TEXTS
    texts += [
        json.loads(line)["text"] for path in PASTED for line in path.read_bytes().splitlines()
    ]
    texts += [json.loads(line)["error"] for line in HELD_OUT.read_bytes().splitlines()]
    here = [
        [
            [found.id, found.score, found.candidate.message]
            for found in ranking.rank(found_index, reading.read(text), ranking.Weights())
        ]
        for text in texts
    ]
    page = visit("index.html")
    there = page.evaluate("texts => texts.map(text => rank(readText(text)))", texts)
    assert len(texts) > 300
    assert sum(map(bool, here)) > 300
    assert [t for t, a, b in zip(texts, here, there, strict=True) if a != b] == []


def test_the_browser_reads_the_numbers_that_explain_reads(visit: Visit) -> None:
    sizes = (-1, 0, 1, 3, 4, 8, 9, 48, 192, 255, 512, 1000, 2048, 10**12 - 1)
    messages = [message for message, _, _ in SAID]
    for a, b, c in product(sizes, repeat=3):
        messages += [line.format(a=a, b=b, c=c) for line in WITH_NUMBERS]
    here = [[[fact.sentence, *fact.tags] for fact in numbers.facts(text)] for text in messages]
    there = visit("index.html").evaluate("texts => texts.map(factsOf)", messages)
    assert sum(map(bool, here)) > len(messages) / 2
    assert [t for t, a, b in zip(messages, here, there, strict=True) if a != b] == []


def test_the_browser_finds_the_symptoms_and_pages_that_explain_finds(visit: Visit) -> None:
    lines = REPORTS.read_bytes().splitlines()
    texts = [json.loads(line)["text"] for line in lines] + WITHOUT_MESSAGE + ODD_TEXTS
    here = [(_symptom(text), _document(text)) for text in texts]
    page = visit("index.html")
    both = "texts => texts.map(text => [symptomIn(text), (documentFor(text) ?? [null])[0]])"
    there = [tuple(found) for found in page.evaluate(both, texts)]
    assert len({symptom for symptom, _ in here}) > 15
    assert [t for t, a, b in zip(texts, here, there, strict=True) if a != b] == []


def _symptom(text: str) -> str | None:
    found = symptoms_in(text)
    return str(found[0].symptom) if found else None


def _document(text: str) -> str | None:
    found = document_for(text, default_root())
    return found.name if found else None


def test_words_lead_to_the_page_of_the_symptom(visit: Visit) -> None:
    page = visit("index.html")
    page.locator("#query").fill("my loss does not go down")
    assert "training/missing_optimizer_step" in _shown(page)
    expect(page.locator("#status")).to_contain_text("cases with this symptom")
    page.locator("#answer a").click()
    page.wait_for_url("**/symptoms/loss_does_not_fall.html")


def test_the_question_about_none_leads_to_its_page(visit: Visit) -> None:
    page = visit("index.html")
    page.locator("#query").fill(NONE)
    expect(page.locator("#status")).to_have_text("A page answers this question.")
    page.locator("#answer a").click()
    page.wait_for_url("**/why-none.html")


def test_words_find_documents_symptoms_and_myths(visit: Visit) -> None:
    page = visit("index.html")
    for words, target in (
        ("lessons minutes", "teaching.html"),
        ("loss does not fall", "symptoms/loss_does_not_fall.html"),
        ("batchnorm batch myth", "batch/batchnorm_batch_of_one.html"),
    ):
        page.fill("#query", words)
        assert page.locator(f"#pages a[href='{target}']").count() == 1, words
    page.fill("#query", "zzzz")
    expect(page.locator("#pages")).to_be_hidden()


def test_a_result_shows_what_was_read_and_the_fix(visit: Visit) -> None:
    page = visit("index.html")
    page.fill("#query", TRACEBACK)
    expect(page.locator("#status")).to_contain_text("Read: TypeError: flatten(): argument 'input'")
    expect(page.locator("#cases .first .fix ins")).to_contain_text("return x * weights")
    page.fill("#query", "")
    assert page.locator(".fix").count() == 0


def test_a_result_shows_your_numbers_as_explain_does(visit: Visit) -> None:
    page = visit("index.html")
    text = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (192x6 and 288x10)"
    page.fill("#query", text)
    (sentence,) = explain(text)[0].numbers
    expect(page.locator("#cases .first .numbers")).to_have_text(f"Your numbers: {sentence}")
    page.fill("#query", TRACEBACK)
    expect(page.locator("#cases .first .numbers")).to_contain_text("flatten() received None")
    page.fill("#query", text.replace("192x6", "17x5"))
    expect(page.locator("#cases .first .numbers")).to_contain_text("its input has 5, in 17 rows")


def test_a_pasted_error_is_two_clicks_from_its_fix(visit: Visit) -> None:
    page = visit("index.html", permissions=["clipboard-read", "clipboard-write"])
    _paste(page, TRACEBACK)  # one: into the box, which takes what is pasted
    page.locator("#cases > li.first > a").click()  # two
    page.wait_for_url("**/none/missing_return.html")
    expect(page.locator(".diff .fixed .changed").first).to_be_visible()


def test_the_link_disappears_with_the_text(visit: Visit) -> None:
    page = visit("index.html")
    page.locator("#query").fill("my loss is nan")
    expect(page.locator("#answer")).to_be_visible()
    page.locator("#query").fill(TRACEBACK)
    expect(page.locator("#answer")).to_be_hidden()


def test_a_symptom_asks_one_question_after_another(visit: Visit) -> None:
    page = visit("symptoms/loss_does_not_fall.html")
    asked = page.locator(".questions > li:visible")
    expect(asked).to_have_count(1)
    expect(asked).to_contain_text("Train on one fixed batch.")
    asked.get_by_role("link", name="Yes, to the last digit").click()
    expect(asked).to_have_count(1)
    expect(asked).to_contain_text("After backward()")
    asked.get_by_text("All zeros").click()
    expect(asked.get_by_role("link", name="Dead ReLU")).to_be_visible()
    page.get_by_text("Show all questions").click()
    assert asked.count() > 4
    page.get_by_text("Start again").click()
    expect(asked).to_have_count(1)


@pytest.mark.parametrize("lines", [0, 100, 3000])
def test_a_long_log_before_the_traceback_does_not_matter(lines: int, visit: Visit) -> None:
    page = visit("index.html", permissions=["clipboard-read", "clipboard-write"])
    _paste(page, "step 12: loss=0.31, learning rate 0.1\n" * lines + TRACEBACK)
    assert _shown(page)[0] == "none/missing_return"


def test_a_few_words_find_the_cases_that_contain_them(visit: Visit) -> None:
    page = visit("index.html")
    page.locator("#query").fill("squeezenet")
    assert "module/unused_squeezenet_fc" in _shown(page)
    rows = page.locator("#cases > li:visible").all_inner_texts()
    assert 0 < len(rows) < 10
    assert all("squeezenet" in text.lower() for text in rows)
    page.locator("#query").fill("qwertz uiop")
    assert _shown(page) == []
    expect(page.locator("#status")).to_contain_text("No similar case found")


def test_filters_narrow_the_list_and_are_part_of_the_url(visit: Visit, site: Path) -> None:
    page = visit("index.html")
    page.locator("button[data-topic=training]").click()
    page.locator("#silent").check()
    page.locator("#level").select_option("3")
    chosen = _shown(page)
    cases = load(default_root()).entries
    assert chosen
    assert all(name.startswith("training/") and cases[name].spec.level == 3 for name in chosen)
    again = visit(f"index.html#{page.url.partition('#')[2]}", site)
    assert _shown(again) == chosen
    page.locator("button[data-topic=training]").click()
    page.locator("#silent").uncheck()
    page.locator("#stage").select_option("build")
    page.locator("#level").select_option("")
    rows = page.locator("#cases > li:visible")
    assert {rows.nth(i).get_attribute("data-stage") for i in range(rows.count())} == {"build"}


def test_a_release_shows_its_own_messages(tmp_path: Path, visit: Visit) -> None:
    corpus = corpus_of(tmp_path / "corpus", {"shape/old": Pair(), "shape/new": Pair()})
    for release, names in {"2.1": ["old"], "2.2": ["old", "new"]}.items():
        book = f'torch = "{release}"\ntorchvision = ""\npython = ""\ndevice = "cpu"\n'
        for name in names:
            book += (
                f'[entries."shape/{name}"]\nverdict = "reproduced"\n'
                f'[entries."shape/{name}".broken]\nraises = "E"\nmessage = "in {release}"\n'
            )
        put(corpus.root / f"results/torch-{release}/cpu.toml", book)
    build(corpus, tmp_path / "site")
    page = visit("index.html", tmp_path / "site")
    assert _shown(page) == ["shape/new", "shape/old"]
    page.locator("#release").select_option("2.1")
    assert _shown(page) == ["shape/old"]
    expect(page.locator("#cases > li:visible .msg")).to_have_text("E: in 2.1")


def test_the_keyboard_alone_is_enough(visit: Visit) -> None:
    page = visit("index.html")
    page.keyboard.press("/")
    page.keyboard.insert_text(TRACEBACK)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/none/missing_return.html")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("none")


def test_escape_empties_the_box(visit: Visit) -> None:
    page = visit("index.html")
    page.locator("#query").fill("squeezenet")
    page.keyboard.press("Escape")
    expect(page.locator("#query")).to_have_value("")


def test_the_back_button_restores_the_list(visit: Visit) -> None:
    page = visit("index.html")
    page.locator("#query").fill("squeezenet")
    found = _shown(page)
    page.locator("#cases > li:visible > a").first.click()
    page.wait_for_url("**/module/*.html")
    page.go_back()
    expect(page.locator("#query")).to_have_value("squeezenet")
    assert _shown(page) == found


@pytest.mark.parametrize("side", ["broken", "fixed"])
def test_copy_copies_the_program(side: str, visit: Visit) -> None:
    page = visit("none/missing_return.html", permissions=["clipboard-read", "clipboard-write"])
    page.locator(f"button[data-from={side}]").click()
    expect(page.locator(f".program.{side} button")).to_have_text("Copied")
    case = load(default_root()).entries["none/missing_return"]
    assert page.evaluate("navigator.clipboard.readText()") == case.programs()[side]


def test_download_saves_the_program(visit: Visit) -> None:
    page = visit("none/missing_return.html", accept_downloads=True)
    with page.expect_download() as download:
        page.locator(".program.fixed a[download]").click()
    case = load(default_root()).entries["none/missing_return"]
    assert download.value.suggested_filename == "missing_return.py"
    assert download.value.path().read_text() == case.programs()["fixed"]


def test_lines_of_case_and_fix_are_aligned(visit: Visit) -> None:
    page = visit("none/missing_return.html")
    tops = "rows => rows.map(row => Math.round(row.getBoundingClientRect().top))"
    broken = page.eval_on_selector_all(".program.broken .ln", tops)
    assert broken
    assert broken == page.eval_on_selector_all(".program.fixed .ln", tops)


def test_the_list_is_readable_without_javascript(visit: Visit) -> None:
    page = visit("index.html", java_script_enabled=False)
    assert page.locator("#cases > li:visible").count() > 100
    expect(page.locator("#search")).to_be_hidden()


def test_hostile_text_is_not_interpreted(visit: Visit) -> None:
    page = visit("index.html")
    page.locator("#query").fill("<img src=x onerror=alert(1)> RuntimeError: <b>mat1</b>")
    assert page.locator("#cases img, #status img").count() == 0
