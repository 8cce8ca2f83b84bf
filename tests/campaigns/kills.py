"""Kill commands that write at random moments, and check that nothing is lost, half written or different afterwards.

For each kill a command runs in a folder of its own and receives SIGKILL, SIGTERM or Ctrl-C after a random part of the
time that it takes, alone or with the processes that it has started. Then every file under a final name has to equal,
byte for byte, the one that an undisturbed command writes (except for circumstances in JSON, such as times), and the
same command, with --resume or --force where drkit asks for it, has to complete the folder. Prints a row per command,
and ends with 1 if there are faults.

    python tests/campaigns/kills.py --runs 200
"""

import os
import random
import signal
import time

from commands import Case, find_faults, make_folder, parse_options, run, run_campaign, send_signal

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EXPECTED_CODES = {0, 130, *(-number for number in SIGNALS)}


def kill(case: Case, generator: random.Random) -> tuple[bool, list[str]]:
    """Kill a command at a random moment; return whether it had not ended yet, and its faults."""
    number, seconds = generator.choice(SIGNALS), generator.uniform(0, case.undisturbed.seconds)
    send = generator.choice([os.kill, send_signal])

    def disturb(process: int) -> None:
        time.sleep(seconds)
        send(process, number)

    folder = make_folder(case.base, "killed")
    outcome = run(case.arguments, folder, disturb)
    faults = list(find_faults(case.arguments, folder, case.undisturbed))
    if outcome.code not in EXPECTED_CODES or "Traceback" in outcome.output:
        faults.append(f"ended with {outcome.code}: {outcome.output[-300:]}")
    return outcome.code != 0, [f"{signal.Signals(number).name}: {fault}" for fault in faults]


if __name__ == "__main__":
    options = parse_options(__doc__, 200)
    random_numbers = random.Random(options.seed)
    run_campaign(options.only, options.runs, "killed before the end", lambda case: kill(case, random_numbers))
