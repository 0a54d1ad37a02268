"""Conversations: well-formed or refused, the same after a round trip through their file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_bench.conversations.conversation import Conversation, ask, read_file, write

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=2))
def test_a_file_gives_back_what_was_written(tmp_path_factory, turns, record_ids):
    messages = tuple(
        {"role": role, "content": text}
        for pair in turns
        for role, text in zip(("user", "assistant"), pair, strict=True)
    )
    item = Conversation("c", tuple(record_ids), messages, {"template": "t"})
    path = tmp_path_factory.mktemp("c") / "c.jsonl"
    assert write([item], path) == 1
    assert list(read_file(path)) == [item]


@pytest.mark.parametrize(
    "roles", [[], ["user"], ["assistant", "user"], ["user", "user"], ["system", "user", "assistant"]]
)
def test_turns_go_user_assistant(roles):
    with pytest.raises(ValueError, match="user, assistant"):
        Conversation("c", ("r",), tuple({"role": role, "content": ""} for role in roles))


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "c.jsonl"
    write([ask("c", ("r",), "?", ["yes"])], path)
    path.write_text(path.read_text() + "{not json\n")
    with pytest.raises(ValueError, match="line 2"):
        list(read_file(path))


def test_a_write_that_fails_leaves_nothing(tmp_path):
    def broken():
        yield ask("c", ("r",), "?", ["yes"])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(broken(), tmp_path / "c.jsonl")
    assert list(tmp_path.iterdir()) == []
