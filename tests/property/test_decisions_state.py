"""Decisions as a state machine: whatever people do, what holds equals a plain model with an undo list."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from weft.state import decisions

NAMES = ["a", "b", "c"]


class Decisions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.out = Path(self.folder.name)
        self.history: list[dict[str, str]] = [{}]
        self.future: list[dict[str, str]] = []

    @rule(items=st.sets(st.sampled_from(NAMES), min_size=1), verb=st.sampled_from(["keep", "drop", "auto"]))
    def decide(self, items: set[str], verb: str) -> None:
        decisions.append(self.out, sorted(items), verb, by="test")  # type: ignore[arg-type]
        now = {**self.history[-1], **dict.fromkeys(items, verb)}
        self.history.append({name: v for name, v in now.items() if v != "auto"})
        self.future.clear()

    @precondition(lambda self: len(self.history) > 1)
    @rule()
    def undo(self) -> None:
        decisions.undo(self.out, by="test")
        self.future.append(self.history.pop())

    @precondition(lambda self: self.future)
    @rule()
    def redo(self) -> None:
        decisions.redo(self.out, by="test")
        self.history.append(self.future.pop())

    @rule()
    def tear(self) -> None:
        with (self.out / "decisions.jsonl").open("a") as file:
            file.write('{"id": "torn')

    @invariant()
    def what_holds_equals_the_model(self) -> None:
        found = decisions.effective(decisions.read(self.out))
        assert {name: decision.verb for name, decision in found.items()} == self.history[-1]

    def teardown(self) -> None:
        self.folder.cleanup()


TestDecisions = Decisions.TestCase
TestDecisions.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
