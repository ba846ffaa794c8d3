"""The data of the fake site: a small show with one project, and the rows that a dashboard reads.

Field names and status codes are the defaults of real sites. All links lead to existing rows. The same day always gives
the same show. The names of users are invented.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Annotated, Any, get_type_hints

WEEKS_BEFORE = 8  # the first tasks begin this long before today; the last ones end about six weeks after today
MINUTES_PER_DAY = 480  # a working day of eight hours; a duration is in minutes (probed)
FIRST_USER_ID = 9001  # far from the ids of users with an account on the fake site
FINISHED = ("fin", "apr", "omt")


@dataclass(frozen=True)
class Link:
    """A reference to a row, with the name of the row."""

    type: str
    id: int
    name: str


@dataclass(frozen=True)
class Field:
    """A field in a site's schema: its data type, and for links the types of the linked rows."""

    data_type: str
    links: tuple[str, ...] = ()


Number = Annotated[int, Field("number")]
Text = Annotated[str, Field("text")]
StatusCode = Annotated[str, Field("status_list")]
Color = Annotated[str, Field("color")]  # decimal r,g,b (probed)
Moment = Annotated[str, Field("date_time")]
Day = Annotated[str | None, Field("date")]
ProjectLink = Annotated[Link, Field("entity", ("Project",))]


@dataclass(frozen=True)
class Project:
    id: Number
    name: Text


@dataclass(frozen=True)
class Step:
    id: Number
    code: Text
    short_name: Text
    color: Color


@dataclass(frozen=True)
class Status:
    id: Number
    code: Text
    name: Text
    bg_color: Color


@dataclass(frozen=True)
class HumanUser:
    id: Number
    name: Text
    login: Text
    email: Text
    permission_rule_set: Annotated[Link, Field("entity", ("PermissionRuleSet",))]
    sg_status_list: StatusCode = "act"  # the Python API reads it when it signs a user in (client)


@dataclass(frozen=True)
class Sequence:
    id: Number
    code: Text
    project: ProjectLink


@dataclass(frozen=True)
class Shot:
    id: Number
    code: Text
    description: Text
    sg_status_list: StatusCode
    sg_sequence: Annotated[Link, Field("entity", ("Sequence",))]
    project: ProjectLink
    tasks: Annotated[tuple[Link, ...], Field("multi_entity", ("Task",))]
    sg_cut_duration: Number  # frames
    created_at: Moment
    updated_at: Moment
    image: Annotated[None, Field("image")] = None


@dataclass(frozen=True)
class Task:
    id: Number
    content: Text
    sg_status_list: StatusCode
    entity: Annotated[Link, Field("entity", ("Shot", "Sequence"))]
    project: ProjectLink
    step: Annotated[Link, Field("entity", ("Step",))]
    task_assignees: Annotated[tuple[Link, ...], Field("multi_entity", ("HumanUser",))]
    start_date: Day
    due_date: Day
    duration: Annotated[int | None, Field("duration")]  # minutes
    created_at: Moment
    updated_at: Moment


Row = Project | Step | Status | HumanUser | Sequence | Shot | Task


@dataclass(frozen=True)
class EntityType:
    """A type of row: its name in paths, and the field with the name of a row."""

    row: type[Row]
    plural: str
    named_by: str

    @property
    def name(self) -> str:
        return self.row.__name__

    @cached_property
    def fields(self) -> dict[str, Field]:
        hints = get_type_hints(self.row, include_extras=True)
        return {"cached_display_name": Field("text")} | {name: hint.__metadata__[0] for name, hint in hints.items()}

    def read(self, row: Row, name: str) -> Any:
        return getattr(row, self.named_by if name == "cached_display_name" else name)


SCHEMA = {
    kind.name: kind
    for kind in (
        EntityType(Project, "projects", "name"),
        EntityType(Step, "steps", "code"),
        EntityType(Status, "statuses", "name"),
        EntityType(HumanUser, "human_users", "name"),
        EntityType(Sequence, "sequences", "code"),
        EntityType(Shot, "shots", "code"),
        EntityType(Task, "tasks", "content"),
    )
}


def link(row: Row) -> Link:
    kind = SCHEMA[type(row).__name__]
    return Link(kind.name, row.id, kind.read(row, "cached_display_name"))


@dataclass(frozen=True)
class Show:
    """All rows of a site. Relative filters count from the day `today`."""

    today: date
    projects: tuple[Project, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    shots: tuple[Shot, ...] = ()
    tasks: tuple[Task, ...] = ()
    steps: tuple[Step, ...] = ()
    users: tuple[HumanUser, ...] = ()
    statuses: tuple[Status, ...] = ()

    @cached_property
    def rows(self) -> dict[str, dict[int, Row]]:
        """The rows by type and id."""
        by_type: dict[str, dict[int, Row]] = {name: {} for name in SCHEMA}
        kinds = (self.projects, self.sequences, self.shots, self.tasks, self.steps, self.users, self.statuses)
        for row in (row for rows in kinds for row in rows):
            by_type[type(row).__name__][row.id] = row
        return by_type

    @property
    def late(self) -> list[Task]:
        """The unfinished tasks with a due date before today."""
        today = self.today.isoformat()
        return [
            task
            for task in self.tasks
            if task.due_date and task.due_date < today and task.sg_status_list not in FINISHED
        ]


PROJECT = Project(101, "The Lamplighters")
ARTIST = Link("PermissionRuleSet", 8, "Artist")
STATUSES = (
    Status(1, "wtg", "Waiting to Start", "215,215,215"),
    Status(2, "rdy", "Ready to Start", "254,243,188"),
    Status(3, "ip", "In Progress", "169,208,245"),
    Status(4, "rev", "Pending Review", "247,206,144"),
    Status(5, "apr", "Approved", "188,229,168"),
    Status(6, "fin", "Final", "139,201,121"),
    Status(7, "hld", "On Hold", "240,170,166"),
    Status(8, "omt", "Omit", "180,180,190"),
    Status(9, "act", "Active", "160,214,160"),  # for users
)
# Each step with the shortest and longest duration of a task in working days, and the indexes of its two users.
STEPS = (
    (Step(21, "Layout", "LAY", "127,174,219"), (2, 3), (0, 1)),
    (Step(22, "Animation", "ANM", "142,196,112"), (4, 7), (2, 3)),
    (Step(23, "FX", "FX", "224,138,96"), (3, 4), (4, 5)),
    (Step(24, "Lighting", "LGT", "236,201,92"), (2, 4), (6, 7)),
    (Step(25, "Compositing", "CMP", "171,132,201"), (2, 4), (8, 9)),
)
USERS = (
    "Amara Okonjo-Vale",
    "Tomasz Wronkowski",
    "Mei-Lin Sarraf",
    "Diego Quintanal",
    "Aroha Ngatai",
    "Jonas Fjellvik",
    "Priya Ramanujan-Holt",
    "Leïla Haddadou",
    "Kwabena Asantewaa",
    "Saoirse O'Malleyne",
)
SEQUENCES = (
    ("HBR", 8, "the harbour at dusk"),
    ("LTH", 7, "inside the lighthouse"),
    ("MKT", 6, "the night market"),
    ("STM", 7, "the storm"),
    ("CAV", 5, "the drowned cavern"),
    ("DWN", 7, "dawn over the bay"),
)
ACTIONS = (
    "Wide on {place}, slow push in",
    "Ida runs through {place}; handheld",
    "Close on the lamp as it goes out in {place}",
    "The keeper turns & sees {place} <hold 12 frames>",
    'Title card "LAMPLIGHTERS" over {place}',
    "Crowd fills {place}, crane up",
    "Match cut into {place}",
)


@dataclass
class _Plan:
    """A shot while its tasks are being planned."""

    shot: Link
    sequence: Link
    description: str
    omitted: bool
    begins: date
    tasks: list[Task] = field(default_factory=list)


def make_show(today: date) -> Show:
    """Return the show of a day: 40 shots and 180 tasks. Some tasks are finished, some late, some in the future."""
    chance = random.Random(7)  # a fixed seed: from day to day only the dates change
    project = link(PROJECT)
    users = tuple(
        HumanUser(FIRST_USER_ID + number, name, login, f"{login}@lamplighters.example", ARTIST)
        for number, name in enumerate(USERS)
        for login in [name.split()[0].lower().replace("ï", "i")]
    )
    sequences = tuple(Sequence(11 + at, code, project) for at, (code, _, _) in enumerate(SEQUENCES))
    plans: list[_Plan] = []
    for sequence, (code, count, place) in zip(sequences, SEQUENCES, strict=True):
        for number in range(count):
            at = len(plans)
            plans.append(
                _Plan(
                    shot=Link("Shot", 862 + at, f"{code}_{number + 1:02d}0"),
                    sequence=link(sequence),
                    description=ACTIONS[at % len(ACTIONS)].format(place=place),
                    omitted=at in (13, 30),
                    begins=today - timedelta(weeks=WEEKS_BEFORE) + timedelta(days=at * 2),
                )
            )
    tasks: list[Task] = []
    for at, plan in enumerate(plans):
        day = plan.begins
        for step, days, makers in STEPS:
            if step.short_name == "FX" and at % 2:
                continue
            start, due, length = _working_days(day, chance.randint(*days))
            status = "omt" if plan.omitted else _status(today, start, due, plan.tasks, chance)
            undated = status == "hld" and start > today
            who = chance.sample(makers, 2 if chance.random() < 0.1 else 1)
            if status == "wtg" and chance.random() < 0.15:
                who = []
            touched = min(today, due) if start < today else plan.begins
            task = Task(
                id=5741 + len(tasks),
                content=step.code,
                sg_status_list=status,
                entity=plan.shot,
                project=project,
                step=link(step),
                task_assignees=tuple(link(users[maker]) for maker in who),
                start_date=None if undated else start.isoformat(),
                due_date=None if undated else due.isoformat(),
                duration=None if undated else length * MINUTES_PER_DAY,
                created_at=_moment(today - timedelta(weeks=WEEKS_BEFORE + 2), chance),
                updated_at=_moment(min(touched, today - timedelta(days=1)), chance),
            )
            plan.tasks.append(task)
            tasks.append(task)
            day = due + timedelta(days=1)
    shots = tuple(
        Shot(
            id=plan.shot.id,
            code=plan.shot.name,
            description=plan.description,
            sg_status_list=_shot_status(plan.tasks),
            sg_sequence=plan.sequence,
            project=project,
            tasks=tuple(Link("Task", task.id, task.content) for task in plan.tasks),
            sg_cut_duration=chance.randrange(24, 240),
            created_at=_moment(today - timedelta(weeks=WEEKS_BEFORE + 2), chance),
            updated_at=max(task.updated_at for task in plan.tasks),
        )
        for plan in plans
    )
    steps = tuple(step for step, _, _ in STEPS)
    return Show(today, (PROJECT,), sequences, shots, tuple(tasks), steps, users, STATUSES)


def _working_days(day: date, days: int) -> tuple[date, date, int]:
    """Return the first and the last of a number of working days, starting at a day, and the number."""
    worked: list[date] = []
    while len(worked) < days:
        if day.weekday() < 5:
            worked.append(day)
        day += timedelta(days=1)
    return worked[0], worked[-1], days


def _status(today: date, start: date, due: date, before: list[Task], chance: random.Random) -> str:
    late_before = any(task.sg_status_list not in FINISHED for task in before)
    if due < today:
        if chance.random() < 0.09 or late_before:
            return chance.choice(("ip", "rev", "ip", "hld"))
        return chance.choice(("fin", "fin", "fin", "apr"))
    if start <= today:
        return chance.choice(("ip", "ip", "rev", "rdy"))
    if not late_before:
        return "rdy"
    return "hld" if chance.random() < 0.08 else "wtg"


def _shot_status(tasks: list[Task]) -> str:
    statuses = {task.sg_status_list for task in tasks}
    if statuses == {"omt"}:
        return "omt"
    if statuses <= set(FINISHED):
        return "fin"
    if statuses <= {"wtg", "rdy"}:
        return "wtg"
    return "hld" if "hld" in statuses and not statuses & {"ip", "rev"} else "ip"


def _moment(day: date, chance: random.Random) -> str:
    return f"{day.isoformat()}T{chance.randrange(8, 19):02d}:{chance.randrange(60):02d}:{chance.randrange(60):02d}Z"
