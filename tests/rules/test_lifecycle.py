import pytest

from landsat_async.rules.lifecycle import IN_FLIGHT, OPEN, SOURCES, TARGET, TRANSITIONS, State, Step


def test_every_state_has_a_row_and_every_step_is_used():
    assert set(TRANSITIONS) == set(State)
    assert {step for steps in TRANSITIONS.values() for step in steps} == set(Step)


def test_a_step_leads_to_the_same_state_from_wherever_it_is_legal():
    for state, steps in TRANSITIONS.items():
        assert steps == {step: TARGET[step] for step in Step if state in SOURCES[step]}


def test_every_open_state_can_still_reach_done():
    reachable = {State.DONE}
    while True:
        more = {state for state, steps in TRANSITIONS.items() if reachable & set(steps.values())} | reachable
        if more == reachable:
            break
        reachable = more
    assert set(State) <= reachable


def test_what_a_dead_process_leaves_behind_can_be_reattached():
    assert set(SOURCES[Step.REATTACH]) == set(SOURCES[Step.RELEASE]) == IN_FLIGHT
    assert IN_FLIGHT < OPEN


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (State.DONE, Step.CLAIM),
        (State.FAILED, Step.LINK),
        (State.READY, Step.LINK),
        (State.ACTIVE, Step.CLAIM),
        (State.PLANNED, Step.LINK),
        (State.DONE, Step.FAIL),
    ],
)
def test_what_would_do_work_twice_or_undo_it_is_illegal(state, step):
    assert step not in TRANSITIONS[state]
    assert state not in SOURCES[step]
