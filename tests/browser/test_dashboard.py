"""The example dashboard at the gateway's root: its parts, its states, and its accessibility."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.site.fake_site import Account
from tests.site.show import Project, Show
from tests.support.browser import Monitor
from tests.support.client import Gateway
from tests.support.pages import (
    Form,
    check_accessibility,
    expire_tokens,
    open_form,
    wait_for_attribute,
    wait_for_text,
)


@pytest.fixture
def dashboard(page: Page, user: Account, gateway: Gateway) -> Form:
    """Open the dashboard with `user` signed in, and wait until it shows the show."""
    form = open_form(page, gateway, f"http://{gateway.host}/", "signed-in")
    wait_until_ready(page)
    return form


@pytest.fixture
def show(gateway: Gateway) -> Iterator[Show]:
    """Return the site's show. A test can give the site another one, until its end."""
    before = gateway.site.show
    yield before
    gateway.site.show = before


def wait_until_ready(page: Page) -> None:
    wait_for_attribute(page.locator("main"), "data-state", "ready")


def figure(page: Page, name: str) -> int:
    return int(page.locator(f"[data-figure={name}] .number").inner_text())


@pytest.mark.usefixtures("dashboard")
def test_dashboard_shows_filters_and_searches_the_show_across_expired_tokens_and_problems_of_the_site(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway, show: Show
) -> None:
    expect_figures_graph_and_chips(page, show)
    expect_report_and_its_filters(page, show)
    expect_search(page, show)
    expect_search_across_expired_tokens(page, user, gateway, show)
    expect_accessible_report_of_a_problem(page, user, monitor, gateway, show)
    assert monitor.requests_to("/auth/password") == []


def expect_figures_graph_and_chips(page: Page, show: Show) -> None:
    assert figure(page, "shots") == len(show.shots)
    assert figure(page, "late") == len(show.late)
    assert figure(page, "open") == len(
        [task for task in show.tasks if task.sg_status_list not in ("fin", "apr", "omt")]
    )

    page.get_by_text("Show as a table").click()
    rows = page.get_by_role("region", name="Tasks by status, as a table").locator("tbody tr")
    counted = sum(int(cell) for cell in rows.locator("td:last-child").all_inner_texts())
    assert counted == len([task for task in show.tasks if task.due_date])
    graph = page.get_by_role("img", name=re.compile("^Bars of the tasks due in each week"))
    values = graph.evaluate(
        "(canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert values > 10  # an empty canvas has one value

    status = next(one for one in show.statuses if one.code == "ip")
    chip = page.locator(".chip", has_text=status.name).first
    colour = chip.evaluate("(one) => getComputedStyle(one).getPropertyValue('--colour')")
    assert json.loads(f"[{colour.removeprefix('rgb(').removesuffix(')')}]") == [
        int(part) for part in status.bg_color.split(",")
    ]


def expect_report_and_its_filters(page: Page, show: Show) -> None:
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


def expect_search(page: Page, show: Show) -> None:
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


def expect_search_across_expired_tokens(page: Page, user: Account, gateway: Gateway, show: Show) -> None:
    (cookie,) = page.context.cookies()
    field = page.get_by_role("searchbox")
    for refreshes, shot in enumerate(show.shots[:3], start=1):
        expire_tokens(gateway, user, cookie["value"], page)
        field.fill(shot.code)
        wait_for_text(page.locator("#search-results"), shot.code)
        assert gateway.site.requests_for(user, "refresh_token") == refreshes
    expect(page.locator("#trouble")).to_be_hidden()


def test_production_data_is_removed_when_the_session_ends_and_when_the_user_signs_out(
    page: Page, user: Account, dashboard: Form, monitor: Monitor, gateway: Gateway, show: Show
) -> None:
    def expect_no_production_data() -> None:
        left = page.content()
        assert show.projects[0].name not in left
        assert not [shot.code for shot in show.shots if shot.code in left]

    gateway.site.switch(user, two_factor=True)
    page.get_by_label("Late only").check()
    expect(dashboard.element).to_contain_text("Your session has ended. Sign in to go on.")
    monitor.expect_status(401, "/api/v1/entity/")
    monitor.expect_status(401, "/auth/refresh")
    expect_no_production_data()
    dashboard.sign_in(user)
    wait_until_ready(page)
    dashboard.sign_out()
    expect_no_production_data()
    next_user = gateway.new_user(two_factor=False)
    dashboard.sign_in(next_user)
    wait_until_ready(page)
    assert gateway.site.reads_by(next_user) > 0


def test_form_is_accessible_in_all_steps_and_without_a_gateway(page: Page, monitor: Monitor, gateway: Gateway) -> None:
    page.route("**/auth/refresh", lambda route: route.abort("connectionreset"))
    monitor.expect("net::ERR_CONNECTION_RESET")
    form = open_form(page, gateway, f"http://{gateway.host}/", "unreachable")
    expect(form.sign_in_again_button).to_be_visible()
    check_accessibility(page)
    form.sign_in_again_button.click()
    form.wait_for_state("password")
    user = gateway.new_user(two_factor=True)
    form.submit_password(user, "not the password")
    expect(form.problem).not_to_be_empty()
    check_accessibility(page)
    form.submit_password(user)
    form.wait_for_state("code")
    form.submit_code("000000")
    expect(form.problem).to_contain_text("tries left")
    check_accessibility(page)
    monitor.expect_status(401, "/auth/")


def expect_accessible_report_of_a_problem(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway, show: Show
) -> None:
    """Let the site fail, and check the accessibility of all that the dashboard can show together. Then try again."""
    trouble = page.locator("#trouble")
    late = {task.entity.id for task in show.late}
    page.get_by_label("Late only").check()
    expect(page.locator("#range")).to_have_text(f"1–{len(late)} of {len(late)}")
    gateway.site.switch(user, data_fault="503")
    page.get_by_label("Late only").uncheck()
    expect(trouble).to_contain_text("ShotGrid does not respond at the moment.")
    expect(page.locator("#report[aria-busy=true]")).to_have_count(0)  # a busy report is faint
    gateway.site.switch(user, data_fault="")
    field, results = page.get_by_role("searchbox"), page.locator("#search-results li")
    field.press("Escape")
    expect(results).to_have_count(0)
    field.fill("lamp")
    expect(results.first).to_be_visible()
    expect(page.get_by_role("region", name="Tasks by status, as a table")).to_be_visible()
    expect(trouble).to_be_visible()
    check_accessibility(page)
    monitor.expect_status(503, "/api/v1/entity/")
    trouble.get_by_role("button", name="Try again").click()
    expect(trouble).to_be_hidden()
    expect(page.locator("#range")).to_have_text(f"1–25 of {len(show.shots)}")


def test_empty_project_and_no_project_are_explained(page: Page, user: Account, gateway: Gateway, show: Show) -> None:
    gateway.site.show = replace(show, projects=(*show.projects, Project(999, "An empty one")))
    open_form(page, gateway, f"http://{gateway.host}/#project=999", "signed-in")
    wait_until_ready(page)
    expect(page.get_by_text("This project has no shots yet.")).to_be_visible()
    expect(page.get_by_text("No tasks are due in")).to_be_visible()
    check_accessibility(page)
    page.get_by_label("Project").select_option(show.projects[0].name)
    expect(page.locator("#range")).to_have_text(f"1–25 of {len(show.shots)}")
    gateway.site.show = replace(show, projects=())
    page.reload()
    expect(page.locator("#trouble")).to_contain_text("There is no project on this site that you can see.")
    check_accessibility(page)
