"""`ecg-bench VERB ...`: a table of commands, each a module with a `Config` dataclass and `run(config)`.

Only the module of the command that is named is imported, so `ecg-bench --help` is instant. The fields of
Config are the options; a field without a default may also be given by position, in the order of the fields.
Every command takes `--config FILE.yaml`, overridden by what follows it on the line, and `--print_config`.

Mistakes of the user (ValueError, OSError, a missing extra) are one line on stderr and exit code 2;
ECG_BENCH_TRACEBACK=1 shows where they came from.
"""

import dataclasses
import itertools
import json
import logging
import os
import sys
from importlib import import_module
from typing import TypeVar

Options = TypeVar("Options")

COMMANDS = {
    "quickstart": (
        "ecg_bench.quickstart",
        "the whole way on a small database: data, training, scores with controls",
    ),
    "data synthesize": (
        "ecg_bench.records.synthetic",
        "write a database of synthetic ECGs whose truth is known",
    ),
    "data prepare": ("ecg_bench.signals.prepare", "raw database -> store of cleaned segments"),
    "data split": ("ecg_bench.signals.split", "assign patients to train, validation and test"),
    "data audit": ("ecg_bench.signals.audit", "fail when a patient or record crosses between splits"),
    "data map": ("ecg_bench.conversations.map", "questions and answers whose ECGs are in a store"),
    "tokenizer": ("ecg_bench.representations.train_tokenizer", "train an ECG-Byte tokenizer"),
    "sft": ("ecg_bench.training.sft", "train an ELM on conversations"),
    "evaluate": ("ecg_bench.evaluation.evaluate", "score an ELM beside its controls, ECG lift first"),
    "ask": ("ecg_bench.demo.ask", "ask an ELM about one ECG file"),
}


def usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {verb:<{width}}  {text}" for verb, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ecg-bench COMMAND [options]",
            "",
            "Train and evaluate electrocardiogram-language models.",
            "",
            *lines,
            "",
            "ecg-bench COMMAND --help lists a command's options; --config FILE.yaml reads them from a file.",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] == "--version":
        from ecg_bench import __version__

        print(f"ecg-bench {__version__}")
        return 0
    try:
        return dispatch(argv)
    except KeyboardInterrupt:
        print("ecg-bench: interrupted; the same command continues where it stopped", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("ECG_BENCH_TRACEBACK"):
            raise
        print(f"ecg-bench: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def dispatch(argv: list[str]) -> int:
    verb = next((" ".join(argv[:n]) for n in (2, 1) if " ".join(argv[:n]) in COMMANDS), None)
    if verb is None:
        group = [v for v in COMMANDS if v.startswith(argv[0] + " ")]
        if group and (len(argv) == 1 or argv[1] in ("-h", "--help")):
            print("\n".join(f"ecg-bench {v:<18} {COMMANDS[v][1]}" for v in group))
            return 0
        from ecg_bench import registry

        registry.check(" ".join(argv[:2]) if group else argv[0], COMMANDS, kind="command")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # Threads that wait by spinning make a training on a busy machine several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for chatty in ("httpx", "absl", "matplotlib", "fontTools"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    module = import_module(COMMANDS[verb][0])
    config = parse(module.Config, argv[len(verb.split()) :], verb=verb)
    module.run(config)
    return 0


def parse(config_class: type[Options], argv: list[str], *, verb: str) -> Options:
    """The command's Config from its arguments; argparse's own errors exit with code 2."""
    from jsonargparse import ActionConfigFile, ArgumentParser, set_parsing_settings

    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    required = [f for f in dataclasses.fields(config_class) if _is_required(f)]
    positions = " ".join(field.name.upper() for field in required)
    summary = COMMANDS[verb][1]
    note = f". {positions} may also be given as options." if required else "."
    parser = ArgumentParser(
        prog=f"ecg-bench {verb}",
        usage=f"ecg-bench {verb} {positions} [options]",
        description=summary[0].upper() + summary[1:] + note,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with options; later ones override it")
    parser.add_class_arguments(config_class, as_group=False)
    parsed = parser.parse_args(_name_positionals(required, argv))
    values = parser.instantiate_classes(parsed).as_dict()
    values.pop("config", None)
    return config_class(**values)


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _name_positionals(required: list[dataclasses.Field], argv: list[str]) -> list[str]:
    """["ptb_xl", "--root", "x"] -> ["--name=ptb_xl", "--root", "x"]: leading words fill required fields.

    A required field that is a tuple takes all the words that are left.
    """
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), argv))
    options = [_underscored(word) for word in argv[len(words) :]]
    named = []
    for field in required[: len(words)]:
        if str(field.type).startswith("tuple"):
            named.append(f"--{field.name}={json.dumps(words)}")
            words = []
        else:
            named.append(f"--{field.name}={words.pop(0)}")
    return named + words + options


def _underscored(word: str) -> str:
    """--max-length=3 -> --max_length=3: both spellings of an option are taken."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


if __name__ == "__main__":
    raise SystemExit(main())
