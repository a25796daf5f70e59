"""Errors keep their facts on the way to another process."""

from __future__ import annotations

import pickle

import pytest

from harness.errors import AnalysisError, BadInput, BrokerError, HarnessError, JournalError, StoreError

ERRORS = [
    (BadInput("steps[3]", "it is empty"), "steps[3]: it is empty"),
    (BadInput("", "there is no cell"), "there is no cell"),
    (JournalError("j.sqlite", "it is locked"), "j.sqlite: it is locked"),
    (StoreError("http://127.0.0.1", "it does not answer"), "http://127.0.0.1: it does not answer"),
    (BrokerError("mqtt://127.0.0.1", "it is gone"), "mqtt://127.0.0.1: it is gone"),
    (AnalysisError("a spectrum of one point"), "a spectrum of one point"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS, ids=lambda value: type(value).__name__)
def test_error_says_the_same_after_a_journey(error: HarnessError, text: str) -> None:
    """Its sentence and its facts are the same when it was pickled."""
    arrived = pickle.loads(pickle.dumps(error))
    assert (str(error), str(arrived)) == (text, text)
    assert type(arrived) is type(error)
    assert vars(arrived) == vars(error)
