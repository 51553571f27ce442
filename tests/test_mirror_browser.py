"""The page for people in a real Chromium. Collected where one is found; the end of a run says so where none is.

What the page decides is tested without a browser in `tests/test_mirror_page.py`: here it is typed, clicked and seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect, sync_playwright
from world.browser import chromium
from world.page import CPU, CUDA, HOSTILE, PREFIX, served, write_mirror

Open = Callable[..., Page]

PHONE = {"width": 320, "height": 640}
VIEWS = [
    "#/",
    "#/?q=zzz",
    "#/project/torch",
    "#/project/numpy",
    "#/project/hostile",
    "#/locks",
    "#/use",
    "#/project/none",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # One module long: playwright's event loop would be in the way of tests that have their own
    with sync_playwright() as playwright:
        # `mirror.test` is the loopback to this browser, but over plain HTTP, without what only safe origins have
        arguments = [
            "--no-sandbox",
            "--host-resolver-rules=MAP mirror.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(folder)
    with served(folder) as port:
        yield port


@pytest.fixture
def visit(browser: Browser, port: int) -> Iterator[Open]:
    """Opens a view. Whatever the test does, nothing is asked of another place and no script fails."""
    asked: list[str] = []
    problems: list[str] = []
    contexts = []

    def note(request: Request) -> None:
        asked.append(request.url)

    def visit(view: str = "", host: str = "mirror.test", **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"a dialog: {dialog.message}"))
        page.on(
            "console", lambda message: problems.append(message.text) if "Content Security" in message.text else None
        )
        page.goto(f"http://{host}:{port}/{PREFIX}{view}")
        page.wait_for_selector("main:has(h1)", state="attached")
        return page

    yield visit
    for context in contexts:
        context.close()
    roots = tuple(f"http://{host}:{port}/{PREFIX}" for host in ("mirror.test", "127.0.0.1"))
    assert [url for url in asked if not url.startswith((*roots, "data:image/svg+xml"))] == []
    assert problems == []


def expect_names(page: Page, names: list[str]) -> None:
    expect(page.locator(".result .name")).to_have_text(names)


def test_typing_narrows_the_projects_at_once(visit: Open) -> None:
    page = visit()
    expect(page.locator("main")).to_contain_text("124 projects · 129 files")
    page.keyboard.press("/")
    page.keyboard.type("torch")
    expect_names(page, ["torch", "torchmetrics"])
    expect(page.locator("#status")).to_have_text("2 projects")
    assert page.url.endswith("#/?q=torch")
    page.keyboard.type("zzz")
    expect(page.locator(".nothing")).to_contain_text("No project here matches torchzzz.")
    expect(page.locator("#status")).to_have_text("0 projects")


def test_the_keyboard_alone_opens_a_project_and_goes_back(visit: Open) -> None:
    page = visit()
    page.keyboard.press("/")
    page.keyboard.type("torch")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".result").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("torch 2.10.0+cu121")
    expect(page.locator("h1")).to_be_focused()
    expect(page).to_have_title("torch · Package mirror")
    page.go_back()
    expect(page.locator("#q")).to_have_value("torch")
    expect_names(page, ["torch", "torchmetrics"])


def test_what_is_typed_before_the_catalog_is_there_counts(visit: Open) -> None:
    page = visit("#/locks")
    held: list[Route] = []
    page.route("**/catalog.json", lambda route: held.append(route))
    page.reload()
    page.keyboard.press("/")
    page.keyboard.type("metrics")
    expect(page.locator("#loading")).to_be_visible()
    steps = page.evaluate("history.length")
    held[0].continue_()
    expect(page.locator(".result .name")).to_have_text(["torchmetrics"])
    expect(page.locator("#q")).to_have_value("metrics")
    assert page.evaluate("history.length") == steps == 2


def test_enter_opens_the_nearest_project(visit: Open) -> None:
    page = visit("#/locks")
    page.keyboard.press("/")
    page.keyboard.type("metrics")
    expect(page.locator(".result .name")).to_have_text(["torchmetrics"])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("torchmetrics 1.4.0")


def test_focus_is_seen_and_the_content_is_one_step_away(visit: Open) -> None:
    page = visit("#/use")
    expect(page.locator("h1")).to_have_text("Set up a machine")
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    expect(page.locator("#skip")).to_be_in_viewport()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert page.url.endswith("#/use")


def test_more_results_are_shown_on_request(visit: Open) -> None:
    page = visit("#/?q=plugin")
    expect(page.locator(".result")).to_have_count(50)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".result")).to_have_count(120)
    expect(page.locator(".result").nth(50)).to_be_focused()


def test_a_project_is_narrowed_to_a_target_and_an_index(visit: Open) -> None:
    page = visit("#/project/torch")
    expect(page.locator(".file")).to_have_count(3)
    page.get_by_label("Target").focus()
    page.get_by_label("Target").select_option(CPU)
    expect(page.locator(".file")).to_have_text(["torch-2.10.0+cpu-cp312-cp312-linux_x86_64.whl"])
    expect(page.get_by_label("Target")).to_be_focused()
    page.get_by_label("Target").select_option("")
    expect(page.locator(".file")).to_have_count(3)
    page.get_by_role("link", name="cu121", exact=True).click()
    expect(page.locator(".file")).to_have_count(2)
    expect(page.locator(".line code").first).to_contain_text("/whl/cu121/ --trusted-host mirror.test")
    expect(page.get_by_role("link", name="cu121", exact=True)).to_be_focused()
    assert page.url.endswith("#/project/torch/cu121")


def test_the_projects_of_a_target_are_found_from_its_lock(visit: Open) -> None:
    page = visit("#/locks")
    page.get_by_label("Filter").fill("cu121")
    expect(page.locator("h2")).to_have_text([CUDA])
    page.get_by_role("link", name="Projects for this target").click()
    expect_names(page, ["numpy", "torch", "torchmetrics"])
    expect(page.get_by_label("Target")).to_have_value(CUDA)


def test_who_requires_whom_can_be_followed(visit: Open) -> None:
    page = visit("#/project/torch")
    page.get_by_role("link", name="torchmetrics").click()
    expect(page.locator("h1")).to_have_text("torchmetrics 1.4.0")
    page.get_by_role("link", name="numpy").click()
    expect(page.locator("h1")).to_have_text("numpy 2.1.0")


def test_links_lead_to_the_file_and_to_the_lock(visit: Open, port: int) -> None:
    page = visit("#/project/torch/cpu")
    root = f"http://mirror.test:{port}/{PREFIX}"
    wheel = page.locator(".file").evaluate("link => link.href")
    assert wheel.startswith(f"{root}files/")
    assert wheel.endswith("/torch-2.10.0%2Bcpu-cp312-cp312-linux_x86_64.whl")
    assert page.locator("dl .label").evaluate("link => link.href") == f"{root}locks/{CPU}/pylock.{'b' * 64}.toml"
    assert page.request.get(f"http://127.0.0.1:{port}/{PREFIX}locks/{CPU}/pylock.{'b' * 64}.toml").ok


@pytest.mark.parametrize("host", ["127.0.0.1", "mirror.test"])
def test_a_line_is_copied_over_plain_http_too(visit: Open, port: int, host: str) -> None:
    page = visit("#/project/numpy", host=host)
    page.get_by_role("button", name="Copy the line for uv").click()
    expect(page.get_by_role("button", name="Copy the line for uv")).to_have_text("Copied")
    expect(page.locator("#status")).to_have_text("Copied")
    assert page.evaluate("isSecureContext") is (host == "127.0.0.1")
    page.keyboard.press("/")
    page.keyboard.press("Control+V")
    expect(page.locator("#q")).to_have_value(
        f"uv pip install --default-index http://{host}:{port}/{PREFIX}simple/ numpy==2.1.0"
    )


def test_hostile_texts_are_only_read(visit: Open) -> None:
    page = visit("#/project/hostile")
    expect(page.locator(".lead")).to_have_text(HOSTILE)
    expect(page.locator(".yanked")).to_have_text(f"Yanked: {HOSTILE}")
    expect(page.locator("img")).to_have_count(0)
    expect(page).to_have_title("hostile · Package mirror")
    page.goto(page.url.partition("#")[0] + "#/?q=" + "%3Cscript%3Ealert(1)%3C/script%3E")
    expect(page.locator(".nothing q")).to_have_text("<script>alert(1)</script>")
    page.goto(page.url.partition("#")[0] + "#/project/%3Cimg%20src%3Dx%3E")
    expect(page.locator("[role=alert]")).to_have_text("This mirror has no project <img src=x>.")


def test_the_policy_would_stop_what_slipped_through(visit: Open) -> None:
    page = visit("#/use")
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate("document.querySelector('main').innerHTML = '<b>x</b>'")


def test_the_theme_is_the_readers_and_stays(visit: Open) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(252, 252, 250)", "rgb(20, 24, 23)"
    page = visit(color_scheme="dark")
    button = page.locator("#theme")
    expect(button).to_have_text("Theme: auto")
    assert page.evaluate(ground) == dark
    button.click()
    expect(button).to_have_text("Theme: light")
    assert page.evaluate(ground) == light
    page.reload()
    expect(button).to_have_text("Theme: light")
    assert page.evaluate(ground) == light
    page.emulate_media(color_scheme="light")
    button.click()
    expect(button).to_have_text("Theme: dark")
    assert page.evaluate(ground) == dark


def test_a_phone_shows_every_view_without_scrolling_sideways(visit: Open) -> None:
    page = visit(viewport=PHONE)
    expect(page.locator("#theme")).to_be_in_viewport()
    for view in VIEWS:
        page.evaluate("view => { location.hash = view; }", view)
        expect(page.locator("#results, h1").first).to_be_visible()
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") == 320, view


def test_without_scripts_the_index_is_a_link_away(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    expect(page.locator("#search")).to_be_hidden()
    page.locator("main").get_by_role("link", name="simple/").click()
    page.get_by_role("link", name="torchmetrics").click()
    expect(page.locator("h1")).to_have_text("Links for torchmetrics")


def test_what_cannot_be_read_is_told(visit: Open) -> None:
    page = visit("#/use")
    page.route("**/cu121/torch/index.json", lambda route: route.fulfill(status=503))
    page.evaluate("location.hash = '#/project/torch'")
    expect(page.locator(".file")).to_have_text(["torch-2.10.0+cpu-cp312-cp312-linux_x86_64.whl"])
    page.route("**/hostile/index.json", lambda route: route.fulfill(status=503))
    page.evaluate("location.hash = '#/project/hostile'")
    alert = page.locator("[role=alert]")
    expect(alert).to_have_text("It could not be read: simple/hostile/index.json was answered with status 503")
    page.route("**/catalog.json", lambda route: route.fulfill(status=404))
    page.reload()
    expect(page.locator("h1")).to_have_text("The catalog could not be read")
    expect(alert).to_have_text("catalog.json was answered with status 404")


def test_without_the_requirements_a_project_is_still_shown(visit: Open) -> None:
    page = visit("#/use")
    page.route("**/requires.json", lambda route: route.fulfill(status=500))
    page.evaluate("location.hash = '#/project/torch'")
    expect(page.locator(".file")).to_have_count(3)
    expect(page.locator("main")).to_contain_text("Not known: page/requires.json could not be read")
