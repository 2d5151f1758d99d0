"""The ledger on a real database against a dict: any sequence of steps, with processes that are killed in between.

A kill is a copy of the database file and its log as they lie on disk at that moment, opened by the next process.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from landsat_async.disk.ledger import FinishedFile, Ledger, Move
from landsat_async.disk.ledger_requests import AcceptedDownload
from landsat_async.model import Route, WantedFile
from landsat_async.rules.lifecycle import IN_FLIGHT, OPEN, TRANSITIONS, State, Step
from landsat_async.rules.links import SecretUrl
from tests.support.ledger_steps import request_log
from tests.support.lifecycle_law import hold_to_table
from tests.support.volumes import examples

FILES = 8
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
KEPT = object()
"""The label stays as it was."""
CHANGES = {
    "prepare": (Step.PREPARE, "la-9", lambda r, item, now: r.prepare([AcceptedDownload(7, "la-9", item.item_id)], now)),
    "link": (Step.LINK, "la-9", lambda r, item, now: r.link([AcceptedDownload(7, "la-9", item.item_id)], now)),
    "unask": (Step.UNASK, None, lambda r, item, now: r.unask([item.item_id], now)),
    "put off": (Step.UNASK, None, lambda r, item, now: r.put_off(item, now + 5, now)),
    "ask again": (Step.UNASK, None, lambda r, item, now: r.ask_again(item, 7, now)),
    "withdraw": (Step.UNASK, None, lambda r, item, now: r.withdraw([(item, 7)], now)),
    "switch, refused": (
        Step.UNASK,
        None,
        lambda r, item, now: r.switch_route(item, Step.UNASK, item.routes[::-1], now),
    ),
    "switch, failed": (
        Step.RELINK,
        None,
        lambda r, item, now: r.switch_route(item, Step.RELINK, item.routes[::-1], now),
    ),
    "give up, refused": (Step.UNASK, None, lambda r, item, now: r.give_up_routes(item, Step.UNASK, now + 9, now)),
    "give up, failed": (Step.RELINK, None, lambda r, item, now: r.give_up_routes(item, Step.RELINK, now + 9, now)),
    "relink": (Step.RELINK, KEPT, lambda r, item, now: r.relink(item, now, now)),
    "relink, counted": (Step.RELINK, KEPT, lambda r, item, now: r.relink(item, now, now, link_renewals=1)),
    "unready": (Step.UNREADY, KEPT, lambda r, item, now: r.unready(item, now)),
    "look up": (Step.REATTACH, KEPT, lambda r, item, now: r.look_up(item.item_id, now)),
    "fail": (Step.FAIL, None, lambda r, item, now: r.fail(item, "why", "", now)),
    "fail, keep": (Step.FAIL, KEPT, lambda r, item, now: r.fail(item, "why", "", now, keep_label=True)),
}
"""What requester, poller and workers do to one file: step, label afterwards, call."""
numbers = st.integers(0, FILES - 1)
subsets = st.lists(numbers, unique=True, min_size=1)


def wanted(number):
    routes = (Route(f"E{number}", "P0", "ls_zip"), Route(f"E{number}", "P1", "dds_ms"))
    return WantedFile(f"F{number}.tar", f"E{number}", f"F{number}", "bundle", routes, 10)


class LedgerMachine(RuleBasedStateMachine):
    """`model` is what must stand in the ledger: file number -> [state, label, generation, run]."""

    labels = Bundle("labels")

    @initialize()
    def open(self):
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.runner = asyncio.Runner()
        self.model = {}
        self.asked = []
        self.finished = set()
        self.parts = set()
        self.processes = 0
        self.now = 1000.0
        self._start(self.folder / "ledger0.sqlite3")

    def do(self, call):
        self.now += 1.0

        async def wait():
            return await call()

        return self.runner.run(wait())

    def _start(self, path):
        self.ledger = self.do(lambda: Ledger.open(path))
        self.run = f"run{self.processes}"
        self.processes += 1
        self.do(lambda: self.ledger.begin_run(self.run, self.now))
        self.do(lambda: self.ledger.writer.call(hold_to_table))

    def id_of(self, number):
        return self.do(lambda: self.ledger.writer.call(lambda c: c.execute(
            "SELECT item_id FROM item WHERE relpath=?", (f"F{number}.tar",)).fetchone()[0]))  # fmt: skip

    def known(self, chosen):
        return [number for number in chosen if number in self.model]

    # -- what a run does

    @rule(chosen=subsets)
    def select(self, chosen):
        self.do(lambda: self.ledger.select([wanted(n) for n in chosen], self.run, self.now))
        for number in chosen:
            state, label, gen, _ = self.model.get(number, [State.PLANNED, None, 0, None])
            if state is State.FAILED:
                state = State.PLANNED if label is None else State.REQUESTED
            self.model[number] = [state, label, gen, self.run]

    @rule(target=labels, chosen=subsets, name=st.integers(0, 3))
    def ask(self, chosen, name):
        label, known = f"la-{name}", self.known(chosen)
        ids = {self.id_of(number): number for number in known}
        moved = self.do(lambda: self.ledger.requests.intend(label, self.run, list(ids), self.now))
        expected = [item_id for item_id, number in ids.items() if self.model[number][0] is State.PLANNED]
        assert moved == ([Move(expected, State.PLANNED, Step.ASK)] if expected else [])
        for item_id in expected:
            self.model[ids[item_id]][:2] = [State.REQUESTED, label]
        self.asked.append(len(expected))
        return label

    @rule(number=numbers, name=st.sampled_from(sorted(CHANGES)))
    def change(self, number, name):
        if number not in self.model:
            return
        step, label, make = CHANGES[name]
        item_id = self.id_of(number)
        item = self.do(lambda: self.ledger.item(item_id))
        moves = self.do(lambda: make(self.ledger.requests, item, self.now))
        self._expect(number, step, moves)
        if moves and label is not KEPT:
            self.model[number][1] = label

    @rule(chosen=subsets, name=st.sampled_from(["prepare", "link", "unask"]))
    def change_many(self, chosen, name):
        known = self.known(chosen)
        ids = [self.id_of(number) for number in known]
        answers = [AcceptedDownload(5, "la-8", item_id) for item_id in ids]
        step = CHANGES[name][0]
        given = ids if name == "unask" else answers
        moves = self.do(lambda: getattr(self.ledger.requests, name)(given, self.now))
        moved = {item_id: [move] for move in moves for item_id in move.item_ids}
        for number, item_id in zip(known, ids, strict=True):
            self._expect(number, step, moved.get(item_id, []))
            if item_id in moved:
                self.model[number][1] = None if name == "unask" else "la-8"

    def _expect(self, number, step, moves):
        state = self.model[number][0]
        assert [(move.before, move.step) for move in moves] == ([(state, step)] if step in TRANSITIONS[state] else [])
        if moves:
            self.model[number][0] = TRANSITIONS[state][step]

    @rule(number=numbers)
    def claim(self, number):
        if number not in self.model:
            return
        item_id = self.id_of(number)
        item = self.do(lambda: self.ledger.item(item_id))
        claimed = self.do(lambda: self.ledger.files.claim([item], self.now)).get(item_id)
        assert (claimed is not None) == (self.model[number][0] is State.READY)
        if claimed is not None:
            self.model[number][0] = State.ACTIVE
            self.model[number][2] += 1
            assert claimed[0].generation == self.model[number][2]
            assert claimed[0] == self.do(lambda: self.ledger.item(item_id))
            assert (claimed[1] is not None) == (number in self.parts)

    @rule(number=numbers)
    def checkpoint(self, number):
        if number in self.model:
            item_id = self.id_of(number)
            self.do(lambda: self.ledger.files.save_part(item_id, "part", 5, b"{}"))
            self.parts.add(number)

    @rule(number=numbers, report=st.booleans())
    def finish(self, number, report):
        if number not in self.model:
            return
        file = FinishedFile(self.id_of(number), f"F{number}.tar", 5, "ab" * 32, "structure", 9)
        moves = self.do(lambda: self.ledger.files.finish([(file, report)], self.now))
        self._expect(number, Step.FINISH, moves)
        if moves:
            self.finished.add(number)
            self.parts.discard(number)

    @rule(number=numbers)
    def lose(self, number):
        if number not in self.model or self.model[number][0] not in (State.DONE, State.FAILED):
            return
        item_id = self.id_of(number)
        self.do(lambda: self.ledger.files.lose([item_id], self.now))
        self.model[number][:2] = [State.PLANNED, None]
        self.finished.discard(number)

    @rule(system=st.sampled_from(["ls_zip", "dds_ms"]))
    def reroute(self, system):
        moved = self.do(lambda: self.ledger.requests.reroute(self.run, [system], self.now))
        planned = [n for n, (state, _, _, run) in self.model.items() if state is State.PLANNED and run == self.run]
        assert moved <= len(planned)
        for item in self.do(lambda: self.ledger.items(self.run, [State.PLANNED])):
            assert item.system != system
            self.model[int(item.name[1:-4])][1] = item.label

    # -- ends of processes

    @rule(chosen=subsets, cleanly=st.booleans())
    def die_and_come_back(self, chosen, cleanly):
        """The next process finds what was durable, wants some files, and takes over what was in flight."""
        old = self.ledger
        path = self.folder / f"ledger{self.processes}.sqlite3"
        if cleanly:
            self.do(old.aclose)
        for suffix in ("", "-wal"):
            if Path(f"{old.path}{suffix}").exists():
                shutil.copyfile(f"{old.path}{suffix}", f"{path}{suffix}")
        self.do(old.aclose)
        self._start(path)
        self.select(chosen)
        self.do(lambda: self.ledger.reattach(self.run, self.now))
        for number in chosen:
            state, label, _, _ = self.model[number]
            if state in IN_FLIGHT:
                self.model[number][0] = State.PLANNED if label is None else State.REQUESTED

    # -- what always holds

    @invariant()
    def the_ledger_is_the_model(self):
        if not hasattr(self, "ledger"):
            return
        rows = self.do(
            lambda: self.ledger.writer.call(
                lambda c: c.execute("SELECT name, state, label, gen, run_id FROM item").fetchall()
            )
        )
        found = {int(row["name"][1:-4]): [State(row["state"]), row["label"], row["gen"], row["run_id"]] for row in rows}
        assert found == self.model
        counts = self.do(lambda: self.ledger.count(self.run))
        mine = Counter(state for state, _, _, run in self.model.values() if run == self.run)
        assert counts == mine
        left = sum(counts.get(state, 0) for state in OPEN)
        assert counts.get(State.DONE, 0) + counts.get(State.FAILED, 0) + left == sum(mine.values())

    @invariant()
    def what_is_done_is_recorded_and_what_was_asked_is_counted(self):
        if not hasattr(self, "ledger"):
            return
        done = {int(file.relpath[1:-4]) for file in self.do(lambda: self.ledger.files.finished(None))}
        assert done == {number for number, (state, *_) in self.model.items() if state is State.DONE} == self.finished
        assert sum(n for _, n in self.do(lambda: request_log(self.ledger, 0.0))) == sum(self.asked)

    def teardown(self):
        if hasattr(self, "ledger"):
            self.do(lambda: self.ledger.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)


LedgerMachine.TestCase.settings = settings(
    max_examples=examples(50), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_E07_the_ledger_keeps_every_file_whatever_happens = pytest.mark.faults("E07", "E08", "J03")(LedgerMachine.TestCase)


@pytest.mark.faults("K04")
async def test_no_column_can_hold_a_link_or_a_secret_and_none_does(tmp_path):
    ledger = await Ledger.open(tmp_path / "ledger.sqlite3")
    tables = await ledger.writer.call(
        lambda c: [row[0] for row in c.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    )
    columns = [
        (table, row["name"])
        for table in tables
        for row in await ledger.writer.call(lambda c, table=table: c.execute(f"PRAGMA table_info({table})").fetchall())
    ]
    suspicious = re.compile(r"url|link|token|secret|password|user|contact|key", re.IGNORECASE)
    assert [column for column in columns if suspicious.search(column[1])] == []
    with pytest.raises(Exception, match="type 'SecretUrl' is not supported"):
        await ledger.writer.call(lambda c: c.execute("INSERT INTO scene_list VALUES(?, 1)", (SecretUrl("https://x"),)))
    await ledger.aclose()
