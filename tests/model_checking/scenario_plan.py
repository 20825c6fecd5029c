"""Plan of one interleaving, drawn from its seed, with many events at the moments that are hard for caches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from .scenario import TOKENS, Introspecting, Managing, Scenario, Verifying, ending, open_history
from .system_under_test import SystemUnderTest
from .virtual_database import Row

TAKES: tuple[Callable[[Row], Row], ...] = (
    lambda row: replace(row, revoked=True),
    lambda row: replace(row, deleted=True),
    lambda row: replace(row, disabled=True),
    lambda row: replace(row, disabled=True),
    lambda row: replace(row, scope_granted=False),
)
GIVES: tuple[Callable[[Row], Row], ...] = (
    lambda row: replace(row, exists=True),
    lambda row: replace(row, exists=True, disabled=False),
    lambda row: replace(row, disabled=False),
    lambda row: replace(row, scope_granted=True),
)
WORKSPACE_TAKES: tuple[Callable[[Row], Row], ...] = (
    lambda row: replace(row, suspended=True),
    lambda row: replace(row, scope_allowed=False),
)
WORKSPACE_GIVES: tuple[Callable[[Row], Row], ...] = (
    lambda row: replace(row, suspended=False),
    lambda row: replace(row, scope_allowed=True),
)
STALENESS = (0, 1, 2, 3, 6)


def run_scenario(seed: int, under_test: SystemUnderTest) -> Scenario:
    """Run the interleaving of this seed to its end."""
    scenario = Scenario(seed, under_test)
    random = scenario.random()
    open_history(scenario, unknown=random.random() < 0.5)
    if random.random() < 0.8:
        at_first = float(random.choice(STALENESS))
        scenario.database.settings |= {"max_staleness_seconds": at_first, "staleness_wait_seconds": at_first}
    server = Introspecting(scenario) if random.random() < 0.5 else None
    scenario.verifying = [
        Verifying(scenario, 0, server if random.random() < 0.8 else None),
        Verifying(scenario, 1, server),
    ]
    managing = [Managing(scenario, each) for each in range(2)]
    _plan(scenario, managing, random)
    scenario.machines.run()
    return scenario


def _plan(scenario: Scenario, managing: list[Managing], random: Random) -> None:
    machines = scenario.machines
    span = random.choice((6, 12, 24))
    favourite = random.choice(TOKENS)
    moves_staleness = random.random() < 0.5
    for _ in range(random.choice((6, 12, 20))):
        token = favourite if random.random() < 0.7 else random.choice(TOKENS)
        verifying = random.choice(scenario.verifying)
        machines.after(int(random.random() * span), lambda v=verifying, t=token: v.use(t))  # type: ignore[misc]
    for _ in range(random.choice((1, 2, 4))):
        by, token = random.choice(managing), favourite if random.random() < 0.8 else random.choice(TOKENS)
        machines.after(int(random.random() * span), _deed(scenario, by, token, random))
    for _ in range(random.choice((1, 2, 3)) if moves_staleness else 0):
        by, seconds = random.choice(managing), float(random.choice(STALENESS))
        machines.after(int(random.random() * span), lambda b=by, s=seconds: b.set_staleness(s))  # type: ignore[misc]
    if moves_staleness and random.random() < 0.4:
        # The narrowest place: T grows right after a change has relied on the small one, while reads are in progress.
        start, taken = int(random.random() * span), random.choice(TAKES)
        for when in range(start, start + 4):
            for verifying in scenario.verifying:
                machines.after(when, lambda v=verifying: v.use(favourite))  # type: ignore[misc]
        machines.after(start + 1, lambda: managing[0].change([favourite], taken, takes=True))
        machines.after(start + random.choice((1, 2)), lambda: managing[1].set_staleness(float(STALENESS[-1])))
    processes = [one for one in machines.processes if one is not scenario.database.process]
    for _ in range(random.choice((0, 0, 1, 3))):
        process, ticks, asleep = random.choice(processes), random.choice((1, 3, 8)), random.random() < 0.5
        begin = int(random.random() * span)
        machines.after(begin, lambda p=process, t=ticks, a=asleep: p.stop(t, asleep=a))  # type: ignore[misc]


def _deed(scenario: Scenario, by: Managing, token: str, random: Random) -> Callable[[], None]:
    """Something a manager does to one token, or to the workspace with all of them."""
    which, wait, all_of_them = random.random(), random.random() < 0.85, list(TOKENS)
    if which < 0.15:
        grace = random.choice((0, 1, 2, 3))
        return lambda: by.change([token], ending(scenario, grace), takes=True, wait=wait)
    if which < 0.2:
        taken = random.choice(WORKSPACE_TAKES)
        return lambda: by.change(all_of_them, taken, takes=True, wait=wait)
    if which < 0.25:
        given = random.choice(WORKSPACE_GIVES)
        return lambda: by.change(all_of_them, given, takes=False)
    if which < 0.45:
        given = random.choice(GIVES)
        return lambda: by.change([token], given, takes=False)
    taken = random.choice(TAKES)
    return lambda: by.change([token], taken, takes=True, wait=wait)
