"""`python -m ecg_bench` is `ecg-bench`; `torchrun -m ecg_bench sft ...` needs it."""

from ecg_bench.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
