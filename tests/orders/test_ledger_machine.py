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

from landsat_async.disk.ledger import FinishedFile, Ledger
from landsat_async.model import Route, SecretUrl, WantedFile
from landsat_async.rules.lifecycle import IN_FLIGHT, OPEN, TRANSITIONS, State, Step
from tests.support.volumes import examples

FILES = 8
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
STEPS = [step for step in Step if step not in (Step.RENEW, Step.REATTACH, Step.ASK, Step.CLAIM, Step.FINISH)]
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

    def do(self, coroutine):
        self.now += 1.0
        return self.runner.run(coroutine)

    def _start(self, path):
        self.ledger = self.do(Ledger.open(path))
        self.run = f"run{self.processes}"
        self.processes += 1
        self.do(self.ledger.begin_run(self.run, self.now))

    def id_of(self, number):
        return self.do(self.ledger.call(lambda c: c.execute(
            "SELECT item_id FROM item WHERE relpath=?", (f"F{number}.tar",)).fetchone()[0]))  # fmt: skip

    def known(self, chosen):
        return [number for number in chosen if number in self.model]

    # -- what a run does

    @rule(chosen=subsets)
    def select(self, chosen):
        self.do(self.ledger.select([wanted(n) for n in chosen], self.run, self.now))
        for number in chosen:
            state, label, gen, _ = self.model.get(number, [State.PLANNED, None, 0, None])
            if state is State.FAILED:
                state = State.PLANNED if label is None else State.REQUESTED
            self.model[number] = [state, label, gen, self.run]

    @rule(target=labels, chosen=subsets, name=st.integers(0, 3))
    def ask(self, chosen, name):
        label, known = f"la-{name}", self.known(chosen)
        ids = {self.id_of(number): number for number in known}
        moved = self.do(self.ledger.intend(label, self.run, list(ids), self.now))
        expected = [item_id for item_id, number in ids.items() if self.model[number][0] is State.PLANNED]
        assert moved == expected
        for item_id in moved:
            self.model[ids[item_id]][:2] = [State.REQUESTED, label]
        self.asked.append(len(moved))
        return label

    @rule(number=numbers, step=st.sampled_from(STEPS), drop_label=st.booleans())
    def step(self, number, step, drop_label):
        if number not in self.model:
            return
        columns = {"label": None} if drop_label else {}
        before = self.do(self.ledger.step(self.id_of(number), step, self.now, **columns))
        self._expect(number, step, before)
        if before is not None and drop_label:
            self.model[number][1] = None

    @rule(chosen=subsets, step=st.sampled_from(STEPS))
    def step_many(self, chosen, step):
        known = self.known(chosen)
        befores = self.do(self.ledger.step_many([(self.id_of(n), step, {}) for n in known], self.now))
        for number, before in zip(known, befores, strict=True):
            self._expect(number, step, before)

    def _expect(self, number, step, before):
        state = self.model[number][0]
        assert before == (state if step in TRANSITIONS[state] else None)
        if before is not None:
            self.model[number][0] = TRANSITIONS[state][step]

    @rule(number=numbers)
    def claim(self, number):
        if number not in self.model:
            return
        claimed = self.do(self.ledger.claim(self.id_of(number), self.now))
        assert (claimed is not None) == (self.model[number][0] is State.READY)
        if claimed is not None:
            self.model[number][0] = State.ACTIVE
            self.model[number][2] += 1
            assert claimed[0].gen == self.model[number][2]
            assert (claimed[1] is not None) == (number in self.parts)

    @rule(number=numbers)
    def checkpoint(self, number):
        if number in self.model:
            self.do(self.ledger.save_part(self.id_of(number), "part", 5, b"{}"))
            self.parts.add(number)

    @rule(number=numbers, report=st.booleans())
    def finish(self, number, report):
        if number not in self.model:
            return
        file = FinishedFile(self.id_of(number), f"F{number}.tar", 5, "ab" * 32, "structure", 9)
        before = self.do(self.ledger.finish(file, self.now, report=report))
        self._expect(number, Step.FINISH, before)
        if before is not None:
            self.finished.add(number)
            self.parts.discard(number)

    @rule(number=numbers)
    def lose(self, number):
        if number not in self.model or self.model[number][0] not in (State.DONE, State.FAILED):
            return
        self.do(self.ledger.lose([self.id_of(number)], self.now))
        self.model[number][:2] = [State.PLANNED, None]
        self.finished.discard(number)

    @rule(system=st.sampled_from(["ls_zip", "dds_ms"]))
    def reroute(self, system):
        moved = self.do(self.ledger.reroute(self.run, [system], self.now))
        planned = [n for n, (state, _, _, run) in self.model.items() if state is State.PLANNED and run == self.run]
        assert moved <= len(planned)
        for item in self.do(self.ledger.items(self.run, [State.PLANNED])):
            assert item.system != system
            self.model[int(item.name[1:-4])][1] = item.label

    # -- ends of processes

    @rule(chosen=subsets, cleanly=st.booleans())
    def die_and_come_back(self, chosen, cleanly):
        """The next process finds what was durable, wants some files, and takes over what was in flight."""
        old = self.ledger
        path = self.folder / f"ledger{self.processes}.sqlite3"
        if cleanly:
            self.do(old.aclose())
        for suffix in ("", "-wal"):
            if Path(f"{old.path}{suffix}").exists():
                shutil.copyfile(f"{old.path}{suffix}", f"{path}{suffix}")
        self.do(old.aclose())
        self._start(path)
        self.select(chosen)
        self.do(self.ledger.reattach(self.run, self.now))
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
            self.ledger.call(lambda c: c.execute("SELECT name, state, label, gen, run_id FROM item").fetchall())
        )
        found = {int(row["name"][1:-4]): [State(row["state"]), row["label"], row["gen"], row["run_id"]] for row in rows}
        assert found == self.model
        counts = self.do(self.ledger.count(self.run))
        mine = Counter(state for state, _, _, run in self.model.values() if run == self.run)
        assert counts == mine
        left = sum(counts.get(state, 0) for state in OPEN)
        assert counts.get(State.DONE, 0) + counts.get(State.FAILED, 0) + left == sum(mine.values())

    @invariant()
    def what_is_done_is_recorded_and_what_was_asked_is_counted(self):
        if not hasattr(self, "ledger"):
            return
        done = {int(file.relpath[1:-4]) for file in self.do(self.ledger.finished(None))}
        assert done == {number for number, (state, *_) in self.model.items() if state is State.DONE} == self.finished
        assert sum(n for _, n in self.do(self.ledger.asked(0.0))) == sum(self.asked)

    def teardown(self):
        if hasattr(self, "ledger"):
            self.do(self.ledger.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)


LedgerMachine.TestCase.settings = settings(
    max_examples=examples(50), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_E07_the_ledger_keeps_every_file_whatever_happens = pytest.mark.faults("E07", "E08", "J03")(LedgerMachine.TestCase)


@pytest.mark.faults("K04")
async def test_no_column_can_hold_a_link_or_a_secret_and_none_does(tmp_path):
    ledger = await Ledger.open(tmp_path / "ledger.sqlite3")
    tables = await ledger.call(
        lambda c: [row[0] for row in c.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    )
    columns = [
        (table, row["name"])
        for table in tables
        for row in await ledger.call(lambda c, table=table: c.execute(f"PRAGMA table_info({table})").fetchall())
    ]
    suspicious = re.compile(r"url|link|token|secret|password|user|contact|key", re.IGNORECASE)
    assert [column for column in columns if suspicious.search(column[1])] == []
    with pytest.raises(Exception, match="type 'SecretUrl' is not supported"):
        await ledger.call(lambda c: c.execute("INSERT INTO scene_list VALUES(?, 1)", (SecretUrl("https://x"),)))
    await ledger.aclose()
