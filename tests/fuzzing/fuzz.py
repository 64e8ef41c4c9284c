"""Fuzz one target with atheris: ``python tests/fuzzing/fuzz.py TARGET [libFuzzer's options]`` (README.md)."""

import shlex
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

with atheris.instrument_imports(include=["bizproc", "handlers"]):
    from tests.fuzzing.targets import TARGETS

OPTIONS = ("-timeout=5", "-rss_limit_mb=1024", "-max_len=4096", "-len_control=0")
"""What is given when nothing else is: a hang and a leak are findings too."""


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"usage: python tests/fuzzing/fuzz.py {'|'.join(TARGETS)} [folders] [libFuzzer's options]")
    name, *given = sys.argv[1:]
    folders = [each for each in given if not each.startswith("-")] or [str(HERE / "corpus" / name)]
    options = [each for each in given if each.startswith("-")]
    asked = {each.partition("=")[0] for each in options}
    options += [each for each in OPTIONS if each.partition("=")[0] not in asked]
    # The first is the command with which libFuzzer starts itself again, as for -merge=1.
    atheris.Setup([shlex.join([sys.executable, __file__, name]), *options, *folders], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
