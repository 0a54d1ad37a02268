"""Instruction data -> Conversations. One source, one file, named on the command line by its file name.

A source file gives

    read(root) -> Iterator[Conversation]     every conversation the source holds, whether or not its ECG is here

and `ecg-bench data map` keeps those whose records are in a segment store and says why the others were not.
"""

NOUNS = ("conversation", "map")
