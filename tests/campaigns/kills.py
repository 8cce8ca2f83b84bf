"""Kill commands that write at random moments, and check that nothing is lost, half written or different afterwards.

For each kill a command runs in a folder of its own and receives SIGKILL, SIGTERM or Ctrl-C after a random part of the
time that it takes. Then every file under a final name has to equal, byte for byte, the one that an undisturbed
command writes (except for circumstances in JSON, such as times), and the same command, with --resume or --force where
drkit asks for it, has to complete the folder. Prints a row per command, and ends with 1 if there are faults.

    python tests/campaigns/kills.py --kills 200
"""

import argparse
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from commands import (
    COMMANDS,
    Undisturbed,
    find_faults,
    import_slow_packages,
    make_folder,
    run,
    run_undisturbed,
    send_signal,
    workshop,
)

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EXPECTED_CODES = {0, 130, *(-number for number in SIGNALS)}


@dataclass
class Tally:
    """The kills of one command."""

    kills: int = 0
    in_time: int = 0
    signals: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def kill_after(seconds: float, number: int) -> Callable[[int], None]:
    """A disturbance that sends a signal after some seconds."""

    def disturb(process: int) -> None:
        time.sleep(seconds)
        send_signal(process, number)

    return disturb


def campaign(commands: dict[str, str], kills: int, seed: int) -> dict[str, Tally]:
    """Kill each command in turn until `kills` are done."""
    generator = random.Random(seed)
    tallies = {name: Tally() for name in commands}
    undisturbed: dict[str, Undisturbed] = {}
    with workshop() as base:
        for number in range(kills):
            name = list(commands)[number % len(commands)]
            arguments, tally = commands[name].split(), tallies[name]
            if name not in undisturbed:
                undisturbed[name] = run_undisturbed(arguments, make_folder(base, "undisturbed"))
            sent, folder = generator.choice(SIGNALS), make_folder(base, "killed")
            kill = kill_after(generator.uniform(0, undisturbed[name].seconds), sent)
            outcome = run(arguments, folder, kill)
            faults = list(find_faults(arguments, folder, undisturbed[name]))
            if outcome.code not in EXPECTED_CODES or "Traceback" in outcome.output:
                faults.append(f"ended with {outcome.code}: {outcome.output[-300:]}")
            tally.kills += 1
            tally.in_time += outcome.code != 0
            tally.signals[signal.Signals(sent).name] += 1
            tally.faults += [f"{signal.Signals(sent).name}: {fault}" for fault in faults]
            print(f"{number + 1} {name}: {outcome.code} {faults or ''}", file=sys.stderr, flush=True)
    return tallies


def main() -> None:
    """Run the campaign, and print a row per command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=COMMANDS, help="commands, by default all")
    options = parser.parse_args()
    import_slow_packages()
    tallies = campaign({name: COMMANDS[name] for name in options.only or COMMANDS}, options.kills, options.seed)
    print("| command | kills | before its end | faults |\n|---|---|---|---|")
    for name, tally in tallies.items():
        print(f"| {name} | {tally.kills} | {tally.in_time} | {len(tally.faults)} |")
    print(f"\n{sum((tally.signals for tally in tallies.values()), Counter())}")
    faults = [f"{name}: {fault}" for name, tally in tallies.items() for fault in tally.faults]
    print("\n".join(faults))
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
