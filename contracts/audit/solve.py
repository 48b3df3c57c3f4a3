"""The solver for halmos: two at once, whose first answer counts. yices multiplies words of 256 bits in seconds where
bitwuzla takes hours, and bitwuzla divides them in seconds where yices does.

Called with a file in the SMT-LIB format; says what its commands say.
"""

import subprocess
import sys
import time

import bitwuzla

YICES = ["yices-smt2", "--smt2-model-format", "--bvconst-in-decimal"]
# Called with this word first, the program is bitwuzla alone.
ALONE = "--bitwuzla"
ANSWERS = ("sat", "unsat")
SECONDS_BETWEEN_LOOKS = 0.02


def solve(path: str) -> None:
    options = bitwuzla.Options()
    # halmos asks for the model of what it finds.
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    bitwuzla.Parser(bitwuzla.TermManager(), options).parse(path)


def race(path: str) -> str:
    commands = [[*YICES, path], [sys.executable, __file__, ALONE, path]]
    runners = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    waiting = list(runners)
    answer = "unknown\n"
    try:
        while waiting:
            for runner in [one for one in waiting if one.poll() is not None]:
                waiting.remove(runner)
                answer = runner.stdout.read()
                if answer.startswith(ANSWERS):
                    return answer
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return answer
    finally:
        for runner in runners:
            runner.kill()


if sys.argv[1] == ALONE:
    solve(sys.argv[2])
else:
    sys.stdout.write(race(sys.argv[1]))
