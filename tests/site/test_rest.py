"""The data routes of the fake site: reads, filters, summaries, errors and CORS, as real sites behave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import requests

from tests.site.fake_site import Account, FakeSite
from tests.site.rest import ARRAY, HASH
from tests.site.show import FIRST_USER_ID, Link, Shot, Show, Task, make_show

TODAY = date(2026, 11, 23)
PAGE = "http://pages.login.localhost:8002"
PLURALS = ("projects", "sequences", "shots", "tasks", "steps", "human_users", "statuses")


class Reader:
    """A client with an access token."""

    def __init__(self, site: FakeSite, user: Account) -> None:
        self.site = site
        self.headers = {"authorization": f"Bearer {site.sign_in_directly(user)['access_token']}"}

    def get(self, path: str, **query: str) -> requests.Response:
        return requests.get(f"{self.site.url}/api/v1/entity/{path}", params=query, headers=self.headers, timeout=10)

    def post(self, path: str, body: Any, content_type: str | None = None, **headers: str) -> requests.Response:
        content_type = content_type or (HASH if isinstance(body.get("filters"), dict) else ARRAY)
        headers = self.headers | {"content-type": content_type} | headers
        return requests.post(f"{self.site.url}/api/v1/entity/{path}", json=body, headers=headers, timeout=10)

    def ids(self, plural: str, filters: Any, **parameters: Any) -> list[int]:
        response = self.post(f"{plural}/_search", {"filters": filters, "fields": "id", **parameters})
        assert response.status_code == 200, response.text
        return [row["id"] for row in response.json()["data"]]

    def summary(self, plural: str, **parameters: Any) -> dict[str, Any]:
        response = self.post(f"{plural}/_summarize", parameters)
        assert response.status_code == 200, response.text
        data: dict[str, Any] = response.json()["data"]
        return data


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """A client of a site that no test changes."""
    with FakeSite(show=make_show(TODAY)) as site:
        yield Reader(site, site.add_user("reader", "p"))


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with FakeSite(show=make_show(TODAY)) as running:
        yield running


@pytest.fixture
def show() -> Show:
    return make_show(TODAY)


def error(response: requests.Response) -> tuple[int, int, str]:
    (only,) = response.json()["errors"]
    assert only.keys() == {"id", "status", "code", "title", "source", "detail", "meta"}
    assert only["status"] == response.status_code
    return only["status"], only["code"], only["title"]


def as_hash(link: Link) -> dict[str, Any]:
    return {"type": link.type, "id": link.id}


# ---- the show --------------------------------------------------------------------------------------------


def test_show_of_a_day_is_always_the_same_and_lies_around_that_day(show: Show) -> None:
    assert make_show(TODAY) == show
    assert (len(show.sequences), len(show.shots), len(show.tasks), len(show.users)) == (6, 40, 180, 10)
    of_users = {one.sg_status_list for one in show.users}
    assert {task.sg_status_list for task in show.tasks} | of_users == {status.code for status in show.statuses}
    for today in (TODAY, date(2026, 12, 27), date(2028, 2, 29)):
        dated = [task for task in make_show(today).tasks if task.start_date and task.due_date]
        assert 50 <= (today - min(date.fromisoformat(task.start_date or "") for task in dated)).days <= 56
        assert 35 <= (max(date.fromisoformat(task.due_date or "") for task in dated) - today).days <= 46
        assert 8 <= len(make_show(today).late) <= 35
        assert all(task.updated_at[:10] < today.isoformat() for task in dated)


def test_every_link_leads_to_a_row_with_that_name(show: Show) -> None:
    def links(row: Any) -> Iterator[Link]:
        for value in vars(row).values():
            yield from (one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Link))

    for row in [row for rows in show.rows.values() for row in rows.values()]:
        for link in links(row):
            if link.type != "PermissionRuleSet":
                there = show.rows[link.type][link.id]
                assert link.name in (getattr(there, name, None) for name in ("code", "content", "name"))
    for shot in show.shots:
        assert {one.id for one in shot.tasks} == {task.id for task in show.tasks if task.entity.id == shot.id}


# ---- reading ---------------------------------------------------------------------------------------------


def test_row_has_links_under_relationships_and_other_fields_under_attributes(reader: Reader, show: Show) -> None:
    task = next(task for task in show.tasks if len(task.task_assignees) == 2)
    body = {"filters": [["id", "is", task.id]], "fields": ["content", "due_date", "entity", "task_assignees"]}
    own = f"/api/v1/entity/tasks/{task.id}"
    assert reader.post("tasks/_search", body).json() == {
        "data": [
            {
                "type": "Task",
                "attributes": {"content": task.content, "due_date": task.due_date},
                "relationships": {
                    "entity": {
                        "data": {"id": task.entity.id, "name": task.entity.name, "type": "Shot"},
                        "links": {
                            "self": f"{own}/relationships/entity",
                            "related": f"/api/v1/entity/shots/{task.entity.id}",
                        },
                    },
                    "task_assignees": {
                        "data": [{"id": one.id, "name": one.name, "type": "HumanUser"} for one in task.task_assignees],
                        "links": {"self": f"{own}/relationships/task_assignees"},
                    },
                },
                "id": task.id,
                "links": {"self": own},
            }
        ],
        "links": {
            "self": "/api/v1/entity/tasks/_search",
            "next": "/api/v1/entity/tasks/_search?page%5Bnumber%5D=2&page%5Bsize%5D=500",
        },
    }


def test_dotted_field_is_read_through_a_single_link_and_others_otherwise(reader: Reader, show: Show) -> None:
    task = show.tasks[0]
    shot = next(shot for shot in show.shots if shot.id == task.entity.id)
    dotted = "entity.Shot.code,entity.Shot.sg_sequence.Sequence.code,entity.Sequence.code,entity.Shot.sg_sequence"
    others = (
        "entity.Step.code,entity.Nothing.code,entity.Shot.nothing,task_assignees.HumanUser.name,nothing,entity.Shot"
    )
    read = reader.get(f"tasks/{task.id}", fields=f"{dotted},{others}").json()["data"]
    assert read["attributes"] == {
        "entity.Shot.code": shot.code,
        "entity.Shot.sg_sequence.Sequence.code": shot.sg_sequence.name,
        "entity.Sequence.code": None,
    }
    assert read["relationships"].keys() == {"entity.Shot.sg_sequence"}
    assert read["relationships"]["entity.Shot.sg_sequence"]["data"] == as_hash(shot.sg_sequence) | {
        "name": shot.sg_sequence.name
    }


@pytest.mark.parametrize("plural", PLURALS)
def test_every_type_is_listed_read_searched_and_counted(reader: Reader, plural: str) -> None:
    rows = reader.get(plural).json()["data"]
    assert rows
    assert reader.get(f"{plural}/{rows[0]['id']}").json()["data"] == rows[0]
    assert reader.ids(plural, []) == [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert reader.summary(plural, summary_fields=[{"field": "id", "type": "record_count"}]) == {
        "summaries": {"id": len(rows)},
        "groups": [],
    }


def test_filter_in_the_query_applies_to_a_listing_and_not_to_a_search(reader: Reader, show: Show) -> None:
    first, second = show.shots[:2]
    ids = [row["id"] for row in reader.get("shots", **{"filter[code]": f"{second.code},{first.code}"}).json()["data"]]
    assert ids == [first.id, second.id]
    assert len(reader.get("tasks", **{"filter[project.Project.id]": "101"}).json()["data"]) == 180
    assert reader.get("tasks", **{"filter[project.Project.id]": "102"}).json()["data"] == []
    other = requests.post(
        f"{reader.site.url}/api/v1/entity/shots/_search?filter[id]={second.id}",
        json={"filters": [["id", "is", first.id]]},
        headers=reader.headers | {"content-type": ARRAY},
        timeout=10,
    )
    assert [row["id"] for row in other.json()["data"]] == [first.id]


def test_users_with_an_account_and_users_of_the_show_have_different_ids(reader: Reader) -> None:
    account, in_show = reader.site.accounts["reader"].id, FIRST_USER_ID
    assert reader.get(f"human_users/{account}", fields="login").json()["data"]["attributes"] == {"login": "reader"}
    assert reader.get(f"human_users/{in_show}", fields="login").json()["data"]["attributes"] == {"login": "amara"}
    assert error(reader.get("human_users/4000"))[:2] == (404, 104)


# ---- filters ---------------------------------------------------------------------------------------------

LIT = Link("Step", 24, "Lighting")
AMARA = Link("HumanUser", FIRST_USER_ID, "Amara Okonjo-Vale")


def due(task: Task) -> str:
    return task.due_date or ""


@pytest.mark.parametrize(
    ("condition", "is_selected"),
    [
        (["content", "is", "LIGHTING"], lambda task: task.content == "Lighting"),
        (["content", "is_not", "Lighting"], lambda task: task.content != "Lighting"),
        (["content", "contains", "AT"], lambda task: task.content == "Animation"),
        (["content", "not_contains", "at"], lambda task: task.content != "Animation"),
        (["content", "starts_with", "l"], lambda task: task.content in ("Layout", "Lighting")),
        (["content", "ends_with", "ing"], lambda task: task.content in ("Lighting", "Compositing")),
        (["content", "in", ["FX", "layout"]], lambda task: task.content in ("FX", "Layout")),
        (["content", "not_in", ["FX", "layout"]], lambda task: task.content not in ("FX", "Layout")),
        (["sg_status_list", "in", ["ip", "rev"]], lambda task: task.sg_status_list in ("ip", "rev")),
        (["sg_status_list", "is", "Final"], lambda task: False),
        (["due_date", "is", None], lambda task: not task.due_date),
        (["due_date", "is_not", None], lambda task: bool(task.due_date)),
        (["due_date", "is_not", "2026-11-23"], lambda task: task.due_date != "2026-11-23"),
        (["due_date", "less_than", "2026-11-23"], lambda task: "" < due(task) < "2026-11-23"),
        (["due_date", "greater_than", "2026-11-23"], lambda task: due(task) > "2026-11-23"),
        (["due_date", "between", ["2026-11-30", "2026-11-23"]], lambda task: "2026-11-23" <= due(task) <= "2026-11-30"),
        (["due_date", "between", ["2026-11-23", None]], lambda task: False),
        (["due_date", "in_next", [2, "WEEK"]], lambda task: "2026-11-23" <= due(task) <= "2026-12-07"),
        (["due_date", "in_last", [1, "MONTH"]], lambda task: "2026-10-23" <= due(task) <= "2026-11-23"),
        (["due_date", "not_in_last", [1, "MONTH"]], lambda task: not "2026-10-23" <= due(task) <= "2026-11-23"),
        (["due_date", "in_calendar_week", -1], lambda task: "2026-11-16" <= due(task) <= "2026-11-22"),
        (["due_date", "in_calendar_month", 1], lambda task: due(task)[:7] == "2026-12"),
        (["due_date", "in_calendar_year", 0], lambda task: due(task)[:4] == "2026"),
        (["due_date", "in_calendar_day", 0], lambda task: due(task) == "2026-11-23"),
        (["updated_at", "less_than", "2026-11-01"], lambda task: task.updated_at < "2026-11-01T00:00:00Z"),
        (["updated_at", "greater_than", "2026-11-01T12:00:00+02:00"], lambda task: task.updated_at > "2026-11-01T10"),
        (["duration", "greater_than", 1440], lambda task: (task.duration or 0) > 1440),
        (["duration", "is", "1440"], lambda task: task.duration == 1440),
        (["step", "is", as_hash(LIT)], lambda task: task.step == LIT),
        (["step", "is_not", as_hash(LIT)], lambda task: task.step != LIT),
        (["step", "in", [as_hash(LIT)]], lambda task: task.step == LIT),
        (["step", "name_contains", "light"], lambda task: task.step == LIT),
        (["step", "name_not_contains", "light"], lambda task: task.step != LIT),
        (["step", "name_is", "Lighting"], lambda task: task.step == LIT),
        (["entity", "type_is", "Shot"], lambda task: True),
        (["entity", "type_is_not", "Shot"], lambda task: False),
        (["task_assignees", "is", as_hash(AMARA)], lambda task: AMARA in task.task_assignees),
        (["task_assignees", "is_not", as_hash(AMARA)], lambda task: AMARA not in task.task_assignees),
        (["task_assignees", "in", [as_hash(AMARA)]], lambda task: AMARA in task.task_assignees),
        (["task_assignees", "is", None], lambda task: not task.task_assignees),
        (["task_assignees.HumanUser.login", "is", "amara"], lambda task: AMARA in task.task_assignees),
        (["entity.Shot.code", "starts_with", "stm_"], lambda task: task.entity.name.startswith("STM_")),
        (["entity.Sequence.code", "is", "STM"], lambda task: False),
        (["entity.Shot.sg_sequence.Sequence.code", "is", "STM"], lambda task: task.entity.name.startswith("STM_")),
        (
            ["entity.Shot.sg_sequence", "is", {"type": "Sequence", "id": 11}],
            lambda task: task.entity.name.startswith("HBR_"),
        ),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_operator_selects_the_rows_that_meet_it(
    reader: Reader, show: Show, condition: list[Any], is_selected: Callable[[Task], bool]
) -> None:
    assert reader.ids("tasks", [condition]) == [task.id for task in show.tasks if is_selected(task)]
    assert reader.ids("tasks", {"logical_operator": "or", "conditions": [condition, ["id", "is", -1]]}) == (
        reader.ids("tasks", [condition])
    )


def test_conditions_are_nested_under_and_and_or(reader: Reader, show: Show) -> None:
    late_or_held = {
        "logical_operator": "or",
        "conditions": [
            ["sg_status_list", "is", "hld"],
            {
                "logical_operator": "and",
                "conditions": [
                    ["due_date", "less_than", TODAY.isoformat()],
                    ["sg_status_list", "not_in", ["fin", "apr", "omt"]],
                ],
            },
        ],
    }
    held = {task.id for task in show.tasks if task.sg_status_list == "hld"}
    assert set(reader.ids("tasks", late_or_held)) == held | {task.id for task in show.late}
    assert len(reader.ids("tasks", {"logical_operator": "or", "conditions": []})) == 180
    assert reader.ids("tasks", [["id", "is", show.tasks[0].id], ["id", "is", show.tasks[1].id]]) == []


def wrong(operator: str, conditions: list[Any] | None = None) -> dict[str, Any]:
    return {"logical_operator": operator, "conditions": conditions or [["id", "is", 1]]}


@pytest.mark.parametrize(
    ("filters", "title"),
    [
        ([["nothing", "is", 1]], "API read() Task.nothing doesn't exist."),
        ([["entity.Shot.nothing", "is", 1]], "API read() Task.entity.Shot.nothing doesn't exist."),
        ([["content", "like", 1]], "API read() Task.content's 'text' data type doesn't support 'like' 'relation'"),
        (
            [["sg_status_list", "contains", "i"]],
            "API read() Task.sg_status_list's 'status_list' data type doesn't support 'contains' 'relation'",
        ),
        ([["content", "is", 5]], "API read() Task.content expected [String, NilClass] data type(s) but got Integer: 5"),
        ([["step", "in", [{"id": 24}]]], "API read() invalid/missing entity hash string 'type': {\"id\" => 24}"),
        ([["due_date", "is", "23/11/2026"]], "Invalid date format: 23/11/2026. Correct format is: 2011-01-21"),
        ([["due_date", "is", "2026-02-30"]], "Invalid date format: 2026-02-30. Correct format is: 2011-01-21"),
        ([["due_date", "between", "2026-02-03"]], "API read() 'between' 'relation' expects a 2-element array: "),
        ([["content", "in", []]], "API read() 'in' 'relation' expects at least a 1-element array: []"),
        ([["id", "is", 1, "or"]], 'Invalid condition: ["id", "is", 1, "or"]'),
        ([wrong("or")], "Invalid filter. Expected array of basic condition arrays but received: ["),
        (wrong("OR"), "Invalid logical operator: OR"),
        ({"conditions": []}, "Missing logical operator: "),
        ({"logical_operator": "and"}, "Missing conditions parameter: "),
        (wrong("and", [wrong("or", [["nothing", "is", 1]])]), "API read() Task.nothing doesn't exist."),
    ],
)
def test_wrong_filter_is_rejected_with_its_title(reader: Reader, filters: Any, title: str) -> None:
    rejected = reader.post("tasks/_search", {"filters": filters})
    assert error(rejected)[:2] == (400, 103)
    assert error(rejected)[2].startswith(title)
    summary = {"filters": filters, "summary_fields": [{"field": "id", "type": "count"}]}
    assert error(reader.post("tasks/_summarize", summary))[2].startswith(title.replace("read()", "summarize()"))


def test_error_for_a_wrong_operator_lists_the_valid_ones(reader: Reader) -> None:
    rejected = reader.post("tasks/_search", {"filters": [["sg_status_list", "like", "x"]]}).json()["errors"][0]
    assert 'Valid relations: ["is", "is_not", "in", "not_in"]' in rejected["source"]["Task.sg_status_list"]


@pytest.mark.parametrize("route", ["_search", "_summarize"])
def test_content_type_selects_the_language_of_the_filters(reader: Reader, route: str) -> None:
    rejected = reader.post(f"tasks/{route}", {"filters": []}, "application/json")
    assert error(rejected) == (415, 103, "Unsupported Content-Type 'application/json'")
    assert ARRAY in rejected.json()["errors"][0]["source"]["content_type"]
    sums = {"summary_fields": [{"field": "id", "type": "count"}]}
    assert error(reader.post(f"tasks/{route}", {"filters": [], **sums}, HASH))[2] == "Query is not an Hash: []"
    assert error(reader.post(f"tasks/{route}", {"filters": {}, **sums}, ARRAY))[2] == "Query is not an Array: {}"


def test_unknown_type_and_unknown_row_are_404(reader: Reader) -> None:
    assert error(reader.get("nothings")) == (404, 103, "Entity type 'nothings' does not exist.")
    assert error(reader.get("shots/1")) == (404, 104, "Not Found")
    assert reader.get("shots/1").json()["errors"][0]["detail"] == "Shot: 1 not found"


# ---- order and pages -------------------------------------------------------------------------------------


def test_sort_has_several_keys_and_ends_with_the_id(reader: Reader, show: Show) -> None:
    by_name = sorted((task for task in show.tasks if task.due_date), key=lambda task: (task.content, task.id))
    expected = [task.id for task in sorted(by_name, key=due, reverse=True)]
    expected += [task.id for task in show.tasks if not task.due_date]
    dated = reader.ids("tasks", [], sort="-due_date,content")
    assert dated[:-4] == expected[:-4]
    assert set(dated[-4:]) == set(expected[-4:])
    by_shot = reader.ids("tasks", [], sort="entity.Shot.code")
    assert by_shot == [task.id for task in sorted(show.tasks, key=lambda task: (task.entity.name.casefold(), task.id))]
    assert reader.ids("tasks", [], sort="nothing") == [task.id for task in show.tasks]


@pytest.mark.parametrize(
    ("sort", "problem"),
    [
        ("", "sort must be filled"),
        ("id desc", "sort list is not valid"),
        ([{"field": "id"}], "sort array is not valid"),
    ],
)
def test_sort_with_a_syntax_error_is_rejected(reader: Reader, sort: Any, problem: str) -> None:
    rejected = reader.post("tasks/_search", {"filters": [], "sort": sort})
    assert error(rejected) == (400, 103, "Request Parameters invalid.")
    assert rejected.json()["errors"][0]["source"] == {"sort": [problem]}


def test_pages_have_every_row_once_and_the_last_page_has_a_next_link(reader: Reader, show: Show) -> None:
    seen: list[int] = []
    path = "/api/v1/entity/tasks?page%5Bsize%5D=70&sort=-id&fields=content"
    sizes = []
    for _ in range(4):
        response = requests.get(f"{reader.site.url}{path}", headers=reader.headers, timeout=10).json()
        seen += [row["id"] for row in response["data"]]
        sizes.append(len(response["data"]))
        path = response["links"]["next"]
    assert sizes == [70, 70, 40, 0]
    assert seen == sorted((task.id for task in show.tasks), reverse=True)
    assert response["links"]["prev"] == (
        "/api/v1/entity/tasks?fields=content&page%5Bnumber%5D=3&page%5Bsize%5D=70&sort=-id"
    )
    second = reader.post("tasks/_search", {"filters": [], "page": {"size": 1, "number": 2}}).json()
    assert [row["id"] for row in second["data"]] == [show.tasks[1].id]
    assert second["links"]["prev"].endswith("/_search?page%5Bnumber%5D=1&page%5Bsize%5D=1")


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ({"size": 0}, {"size": ["size must be greater than 0"]}),
        ({"size": 5001}, {"size": ["size must be less than 5000"]}),
        ({"number": 0}, {"number": ["number must be greater than 0"]}),
    ],
)
def test_page_out_of_bounds_is_rejected(reader: Reader, page: dict[str, int], problem: Any) -> None:
    rejected = reader.post("tasks/_search", {"filters": [], "page": page})
    assert rejected.json()["errors"][0]["source"] == {"page": problem}
    assert len(reader.ids("tasks", [], page={"size": 5000})) == 180


# ---- summaries -------------------------------------------------------------------------------------------

COUNT = [{"field": "id", "type": "count"}]


def test_groups_are_nested_and_their_counts_add_up(reader: Reader, show: Show) -> None:
    grouping = [{"field": "due_date", "type": "week"}, {"field": "sg_status_list", "type": "exact", "direction": "asc"}]
    response = reader.summary("tasks", filters=[], summary_fields=COUNT, grouping=grouping)
    assert response["summaries"] == {"id": 180}
    *weeks, undated = response["groups"]
    assert [week["group_value"] for week in weeks] == sorted(week["group_value"] for week in weeks)
    assert {date.fromisoformat(week["group_value"]).weekday() for week in weeks} == {0}
    assert (undated["group_name"], undated["group_value"], undated["summaries"]) == ("", None, {"id": 4})
    for week in response["groups"]:
        assert sum(group["summaries"]["id"] for group in week["groups"]) == week["summaries"]["id"]
        assert all(group.keys() == {"group_name", "group_value", "summaries"} for group in week["groups"])
    this_week = next(week for week in weeks if week["group_value"] == "2026-11-23")
    expected = Counter(task.sg_status_list for task in show.tasks if "2026-11-23" <= due(task) <= "2026-11-29")
    assert {group["group_value"]: group["summaries"]["id"] for group in this_week["groups"]} == expected


def test_groups_by_status_have_the_order_of_the_site(reader: Reader, show: Show) -> None:
    def order(direction: str) -> list[str]:
        grouping = [{"field": "sg_status_list", "type": "exact", "direction": direction}]
        groups = reader.summary("tasks", summary_fields=COUNT, grouping=grouping)["groups"]
        return [group["group_name"] for group in groups]

    assert order("asc") == [status.code for status in show.statuses if status.code != "act"]
    assert order("desc") == order("asc")[::-1]


def test_group_by_a_link_has_the_linked_row_as_its_value(reader: Reader, show: Show) -> None:
    grouping = [{"field": "entity.Shot.sg_sequence", "type": "exact"}]
    groups = reader.summary("tasks", summary_fields=COUNT, grouping=grouping)["groups"]
    assert [group["group_name"] for group in groups] == sorted(one.code for one in show.sequences)
    harbour = {"type": "Sequence", "id": 11, "name": "HBR", "valid": "valid"}
    assert next(group for group in groups if group["group_name"] == "HBR")["group_value"] == harbour


def test_summaries_are_correct_and_the_last_one_of_a_field_counts(reader: Reader, show: Show) -> None:
    durations = [task.duration for task in show.tasks if task.duration]
    kinds = {"sum": sum(durations), "maximum": max(durations), "average": sum(durations) / len(durations), "count": 176}
    for kind, value in kinds.items():
        assert reader.summary("tasks", summary_fields=[{"field": "duration", "type": kind}])["summaries"] == {
            "duration": value
        }
    dates = [{"field": "due_date", "type": "latest"}, {"field": "start_date", "type": "earliest"}]
    assert reader.summary("tasks", summary_fields=dates)["summaries"] == {
        "due_date": max(map(due, show.tasks)),
        "start_date": min(task.start_date for task in show.tasks if task.start_date),
    }
    twice = [{"field": "id", "type": "count"}, {"field": "id", "type": "minimum"}]
    assert reader.summary("tasks", summary_fields=twice)["summaries"] == {"id": show.tasks[0].id}


@pytest.mark.parametrize(
    "wrong_part", [{"summary_fields": [{"field": "id", "type": "median"}]}, {"grouping": [{"type": "x"}]}]
)
def test_error_for_a_wrong_summary_or_grouping_lists_the_valid_ones(reader: Reader, wrong_part: dict[str, Any]) -> None:
    rejected = reader.post("tasks/_summarize", {"summary_fields": COUNT} | wrong_part)
    assert error(rejected) == (400, 103, "Request Parameters invalid.")
    (name,) = wrong_part
    assert rejected.json()["errors"][0]["source"][name]["0"]["type"][0].startswith("type must be one of: ")


# ---- bearers and CORS ------------------------------------------------------------------------------------


def test_data_route_without_a_valid_bearer_is_401(site: FakeSite) -> None:
    user = site.add_user("a", "b")
    reader, other = Reader(site, user), Reader(site, site.add_user("other", "c"))
    site.switch(expires_in=-1)
    expired = Reader(site, user).headers["authorization"]
    good = reader.headers["authorization"]
    assert reader.get("tasks").status_code == 200
    for authorization in ("", "Bearer", "Bearer x.y.z", good.replace("Bearer", "Basic"), good[:-2] + "xx", expired):
        reader.headers = {"authorization": authorization}
        responses = [reader.get("tasks"), reader.get("shots/862"), reader.get("human_users/24")]
        responses += [reader.post(f"tasks/{route}", {"filters": []}) for route in ("_search", "_summarize")]
        assert [error(response)[0] for response in responses] == [401] * 5
    reader.headers = {"authorization": good}
    site.end_sessions(user)
    assert (reader.get("tasks").status_code, other.get("tasks").status_code) == (401, 200)


def preflight(site: FakeSite, path: str, method: str = "POST", headers: str = "authorization,content-type") -> Any:
    sent = {"origin": PAGE, "access-control-request-method": method, "access-control-request-headers": headers}
    response = requests.options(f"{site.url}{path}", headers=sent, timeout=10)
    assert (response.status_code, response.content) == (200, b"")
    return {name: value for name, value in response.headers.lower_items() if name.startswith("access-control")}


@pytest.mark.parametrize("path", ["tasks/_search", "shots", "nothing/at/all"])
def test_preflight_is_accepted_for_any_origin_and_route(reader: Reader, path: str) -> None:
    assert preflight(reader.site, f"/api/v1/entity/{path}") == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization,content-type",
        "access-control-max-age": "3600",
    }


def test_preflight_for_other_headers_methods_and_routes_gets_no_cors_headers(reader: Reader) -> None:
    tasks = "/api/v1/entity/tasks"
    assert preflight(reader.site, tasks, headers="authorization, x-requested-with") == {}
    assert preflight(reader.site, tasks, method="TRACE") == {}
    assert preflight(reader.site, "/stand-in/asked") == {}


@pytest.mark.parametrize("cors_on_errors", [True, False])
def test_page_can_read_responses_and_with_the_switch_also_errors(site: FakeSite, cors_on_errors: bool) -> None:
    reader = Reader(site, site.add_user("a", "b"))
    site.switch(cors_on_errors=cors_on_errors)
    reader.headers |= {"origin": PAGE}
    wrong_filter = {"filters": [["x", "is", 1]]}
    responses = [reader.get("tasks"), reader.get("tasks/1"), reader.post("tasks/_search", wrong_filter)]
    assert [response.headers.get("access-control-allow-origin") for response in responses] == [PAGE] * 3
    site.switch(data_fault="503")
    responses = [reader.get("tasks")]
    site.switch(data_fault="")
    site.end_sessions()
    responses += [reader.get("tasks")]
    assert [response.status_code for response in responses] == [503, 401]
    allowed = PAGE if cors_on_errors else None
    assert [response.headers.get("access-control-allow-origin") for response in responses] == [allowed] * 2
    assert "Origin" in responses[0].headers["vary"]


def test_data_fault_leaves_the_token_endpoint_working(site: FakeSite) -> None:
    user, other = site.add_user("a", "b"), site.add_user("other", "c")
    reader, others = Reader(site, user), Reader(site, other)
    site.switch(user, data_fault="502")
    assert (reader.get("tasks").status_code, others.get("tasks").status_code) == (502, 200)
    site.switch(user, data_fault="html")
    assert reader.post("tasks/_search", {"filters": []}).text.startswith("<html>")
    for fault in ("drop", "drop_response"):
        site.switch(user, data_fault=fault)
        with pytest.raises(requests.ConnectionError):
            reader.get("tasks")
    form = {"grant_type": "password", "username": "a", "password": "b"}
    assert requests.post(f"{site.url}/api/v1/auth/access_token", data=form, timeout=10).status_code == 200
    assert site.reads_by(user) == 4


def test_reads_and_their_addresses_are_recorded(site: FakeSite) -> None:
    user = site.add_user("a", "b")
    reader = Reader(site, user)
    reader.post("tasks/_search", {"filters": []}, origin=PAGE, referer=f"{PAGE}/late.html?x=1")
    reader.get("shots", fields="code")
    requests.get(f"{site.url}/api/v1/entity/shots", timeout=10)
    assert site.reads == {
        ("a", "/api/v1/entity/tasks/_search"): 1,
        ("a", "/api/v1/entity/shots"): 1,
        ("", "/api/v1/entity/shots"): 1,
    }
    assert site.reads_by(user) == 2
    assert site.seen_addresses == {
        f"{site.url}/api/v1/entity/tasks/_search",
        f"{site.url}/api/v1/entity/shots?fields=code",
        f"{site.url}/api/v1/entity/shots",
        f"{PAGE}/late.html?x=1",
        PAGE,
    }


def test_site_without_a_show_has_only_the_users_with_an_account() -> None:
    with FakeSite() as site:
        reader = Reader(site, site.add_user("a", "b"))
        assert [len(reader.get(plural).json()["data"]) for plural in PLURALS] == [0, 0, 0, 0, 0, 1, 0]
        site.show = make_show(TODAY)
        assert len(reader.get("tasks").json()["data"]) == 180


def test_text_with_markup_is_returned_unchanged(reader: Reader, show: Show) -> None:
    shots: list[Shot] = [shot for shot in show.shots if "<" in shot.description]
    assert shots
    found = reader.post("shots/_search", {"filters": [["description", "contains", "<hold"]]}).json()["data"]
    assert [row["attributes"]["description"] for row in found] == [shot.description for shot in shots]
