"""The example at the gateway's root: what a user sees of a show, in all its states, with every way of looking."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.site.fake_site import Account
from tests.site.show import Project, Show
from tests.support.client import Gateway, until
from tests.support.pages import NODE, Form

AXE = (NODE / "node_modules" / "axe-core" / "axe.min.js").read_text()
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture
def dashboard(page: Page, gateway: Gateway) -> Form:
    """The dashboard, with its form on show."""
    page.goto(f"http://{gateway.host}/")
    form = Form(page, gateway)
    expect(form.username).to_be_visible()
    return form


@pytest.fixture
def user(dashboard: Form, gateway: Gateway) -> Account:
    """Somebody who has signed in and sees the show."""
    signed_in = gateway.new_user(two_factor=False)
    dashboard.sign_in(signed_in)
    ready(dashboard.page)
    return signed_in


@pytest.fixture
def show(gateway: Gateway) -> Iterator[Show]:
    """The show that the site has; another one may be put in its place for the time of a test."""
    before = gateway.site.show
    yield before
    gateway.site.show = before


def ready(page: Page) -> None:
    expect(page.locator("main[data-state=ready]")).to_be_visible()


def figure(page: Page, name: str) -> int:
    return int(page.locator(f"[data-figure={name}] .number").inner_text())


def check_with_axe(page: Page) -> None:
    """Look at the page as it is, in light and dark, as wide as a desk's screen and as a phone's."""
    for viewport in (DESKTOP, PHONE):
        page.set_viewport_size({"width": viewport["width"], "height": viewport["height"]})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(f"{AXE}; undefined")
            found: list[dict[str, Any]] = page.evaluate("axe.run().then(({ violations }) => violations)")
            assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], (viewport, scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), viewport
    page.emulate_media(color_scheme=None)
    page.set_viewport_size({"width": DESKTOP["width"], "height": DESKTOP["height"]})


def test_the_figures_are_those_of_the_show(page: Page, user: Account, show: Show) -> None:
    assert figure(page, "shots") == len(show.shots)
    assert figure(page, "late") == len(show.late)
    assert figure(page, "open") == len(
        [task for task in show.tasks if task.sg_status_list not in ("fin", "apr", "omt")]
    )


def test_the_graph_counts_every_task_that_has_a_date(page: Page, user: Account, show: Show) -> None:
    page.get_by_text("Show as a table").click()
    rows = page.get_by_role("region", name="Tasks by status, as a table").locator("tbody tr")
    counted = sum(int(cell) for cell in rows.locator("td:last-child").all_inner_texts())
    assert counted == len([task for task in show.tasks if task.due_date])
    graph = page.get_by_role("img", name=re.compile("^Bars of the tasks due in each week"))
    drawn = graph.evaluate(
        "(canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert drawn > 10  # colours, and not an empty canvas


def test_the_report_pages_through_all_shots(page: Page, user: Account, show: Show) -> None:
    rows = page.locator("#report tbody tr")
    expect(page.locator("#range")).to_have_text(f"1–25 of {len(show.shots)}")
    seen = rows.locator(".code").all_inner_texts()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#range")).to_have_text(f"26–{len(show.shots)} of {len(show.shots)}")
    seen += rows.locator(".code").all_inner_texts()
    assert seen == sorted(shot.code for shot in show.shots)
    expect(page.get_by_role("button", name="Next")).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Previous").click()
    expect(page.locator("#range")).to_have_text(f"1–25 of {len(show.shots)}")


def test_the_report_finds_the_late_ones(page: Page, user: Account, show: Show) -> None:
    late = {task.entity.id for task in show.late}
    page.get_by_label("Late only").check()
    expect(page.locator("#range")).to_have_text(f"1–{len(late)} of {len(late)}")
    assert set(page.locator("#report .code").all_inner_texts()) == {shot.code for shot in show.shots if shot.id in late}
    expect(page.locator("#report tr.is-late")).to_have_count(len(late))
    sequence = next(
        one for one in show.sequences if not any(s.sg_sequence.id == one.id for s in show.shots if s.id in late)
    )
    page.get_by_label("Sequence").select_option(sequence.code)
    expect(page.get_by_text("No shots match these filters.")).to_be_visible()
    page.get_by_role("button", name="Show all shots").click()
    expect(page.locator("#range")).to_have_text(f"1–25 of {len(show.shots)}")


def test_the_search_finds_shots_tasks_and_people(page: Page, user: Account, show: Show) -> None:
    field = page.get_by_role("searchbox", name="Search shots, tasks and people")
    results = page.locator("#search-results")
    field.fill(show.shots[3].code)
    expect(results.get_by_role("heading", name="Shots")).to_be_visible()
    expect(results).to_contain_text(show.shots[3].code)
    expect(results.get_by_role("heading", name="Tasks")).to_be_visible()
    field.fill(show.users[2].name)
    expect(results.get_by_role("heading", name="People")).to_be_visible()
    expect(results.get_by_role("heading", name="Shots")).to_have_count(0)
    field.fill("<b>nobody</b>")
    expect(page.locator("#search-status")).to_have_text("Nothing matches “<b>nobody</b>”.")
    field.press("Escape")
    expect(field).to_have_value("")
    expect(page.locator("#search-status")).to_be_empty()


def test_tokens_expire_every_few_seconds_while_it_is_used(
    dashboard: Form, page: Page, watch: Watch, gateway: Gateway, show: Show
) -> None:
    user = gateway.new_user(two_factor=True, expires_in=3)
    watch.tolerate_expiry()
    dashboard.sign_in(user)
    ready(page)
    field = page.get_by_role("searchbox")
    turn = 0

    def use() -> bool:
        nonlocal turn
        field.fill(show.shots[turn % len(show.shots)].code)
        expect(page.locator("#search-results")).to_contain_text(show.shots[turn % len(show.shots)].code)
        turn += 1
        return gateway.site.requests_for(user, "refresh_token") >= 3

    until(use)
    expect(page.locator("#trouble")).to_be_hidden()
    assert len(watch.asked("/auth/password")) == 1


def test_a_site_that_fails_is_said_to_and_asked_again(
    page: Page, user: Account, watch: Watch, gateway: Gateway, show: Show
) -> None:
    gateway.site.switch(user, data_fault="503")
    page.get_by_label("Late only").check()
    trouble = page.locator("#trouble")
    expect(trouble).to_contain_text("ShotGrid does not answer at the moment.")
    watch.expect_status(503, "/api/v1/entity/")
    gateway.site.switch(user, data_fault="")
    trouble.get_by_role("button", name="Try again").click()
    expect(trouble).to_be_hidden()
    expect(page.locator("#report tr.is-late").first).to_be_visible()


def test_nothing_of_a_production_is_left_behind(
    page: Page, user: Account, dashboard: Form, gateway: Gateway, show: Show
) -> None:
    dashboard.sign_out.click()
    expect(dashboard.username).to_be_visible()
    left = page.content()
    assert show.projects[0].name not in left
    assert not [shot.code for shot in show.shots if shot.code in left]
    other = gateway.new_user(two_factor=False)
    dashboard.sign_in(other)
    ready(page)
    assert gateway.site.reads_by(other) > 0


def test_two_factor_switched_on_under_it(
    page: Page, user: Account, dashboard: Form, watch: Watch, gateway: Gateway, show: Show
) -> None:
    gateway.site.switch(user, two_factor=True)
    page.get_by_label("Late only").check()
    expect(dashboard.element).to_contain_text("Your session has ended. Sign in to go on.")
    watch.expect_status(401, "/api/v1/entity/")
    watch.expect_status(401, "/auth/refresh")
    assert show.projects[0].name not in page.content()
    dashboard.sign_in(user)
    ready(page)


def test_axe_while_signing_in(page: Page, dashboard: Form, watch: Watch, gateway: Gateway) -> None:
    check_with_axe(page)
    user = gateway.new_user(two_factor=True)
    dashboard.give(user, "not the password")
    expect(dashboard.problem).not_to_be_empty()
    check_with_axe(page)
    dashboard.give(user)
    expect(dashboard.code).to_be_visible()
    check_with_axe(page)
    dashboard.give_code("000000")
    expect(dashboard.problem).to_contain_text("tries left")
    check_with_axe(page)
    watch.expect_status(401, "/auth/")


def test_axe_on_the_dashboard(page: Page, user: Account, watch: Watch, gateway: Gateway, show: Show) -> None:
    page.get_by_text("Show as a table").click()
    check_with_axe(page)
    page.get_by_label("Late only").check()
    page.get_by_role("searchbox").fill("lamp")
    expect(page.locator("#search-results li").first).to_be_visible()
    expect(page.locator("#report[aria-busy=true]")).to_have_count(0)  # faint while it is read
    check_with_axe(page)
    gateway.site.switch(user, data_fault="503")
    page.get_by_label("Late only").uncheck()
    expect(page.locator("#trouble")).to_be_visible()
    expect(page.locator("#report[aria-busy=true]")).to_have_count(0)
    check_with_axe(page)
    watch.expect_status(503, "/api/v1/entity/")


def test_an_empty_project_and_no_project(page: Page, dashboard: Form, gateway: Gateway, show: Show) -> None:
    empty = Project(999, "An empty one")
    gateway.site.show = replace(show, projects=(*show.projects, empty))
    page.goto(f"http://{gateway.host}/#project=999")
    dashboard.sign_in(gateway.new_user(two_factor=False))
    ready(page)
    expect(page.get_by_text("This project has no shots yet.")).to_be_visible()
    expect(page.get_by_text("No tasks are due in")).to_be_visible()
    check_with_axe(page)
    page.get_by_label("Project").select_option(show.projects[0].name)
    expect(page.locator("#range")).to_have_text(f"1–25 of {len(show.shots)}")
    gateway.site.show = replace(show, projects=())
    page.goto(f"http://{gateway.host}/")
    page.reload()
    expect(page.locator("#trouble")).to_contain_text("There is no project on this site that you can see.")
    check_with_axe(page)


def test_colours_of_the_site_reach_the_chips(page: Page, user: Account, show: Show) -> None:
    status = next(one for one in show.statuses if one.code == "ip")
    chip = page.locator(".chip", has_text=status.name).first
    colour = chip.evaluate("(one) => getComputedStyle(one).getPropertyValue('--colour')")
    assert json.loads(f"[{colour.removeprefix('rgb(').removesuffix(')')}]") == [
        int(part) for part in status.bg_color.split(",")
    ]
