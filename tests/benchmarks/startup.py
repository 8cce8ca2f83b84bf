"""CPU time of `drkit --help` and `drkit finetune --help`, as multiples of a bare Typer program's.

The bare program has as many commands as drkit, in the same groups, each with one argument and one option, and imports
nothing but Typer. All programs run from source files whose bytecode is cached.
"""

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from timing import build_parser
from typer.main import get_command

from drkit.cli.app import app

DRKIT = "from drkit.cli.app import main\nmain()"


def write_bare_program(folder: Path) -> str:
    """Write the bare program as a module of `folder`, and return the code that runs it."""
    lines, groups = ["from typing import Annotated", "import typer", "app = typer.Typer()"], list[str]()
    program: Any = get_command(app)
    for words in [name.split() for name, _ in program.load_all()]:
        group = words[0] if len(words) > 1 else "app"
        if group not in ("app", *groups):
            groups.append(group)
            lines += [f"{group} = typer.Typer()", f"app.add_typer({group}, name='{group}', help='A group.')"]
        lines += [
            f"@{group}.command('{words[-1]}')",
            f"def {'_'.join(words)}(path: str, size: Annotated[int, typer.Option(help='A size.')] = 1) -> None:",
            "    '''Do a thing.'''",
        ]
    (folder / "bare.py").write_text("\n".join(lines))
    return f"import sys\nsys.path.insert(0, {str(folder)!r})\nfrom bare import app\napp()"


def cpu_seconds(code: str, *arguments: str) -> float:
    """User and system time of a fresh Python process that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Print the median CPU times and their ratios; rounds of the programs alternate."""
    parser = build_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="Number of runs of each program.")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        bare = write_bare_program(Path(folder))
        programs = {
            "bare --help": (bare, "--help"),
            "bare finetune --help": (bare, "finetune", "--help"),
            "drkit --help": (DRKIT, "--help"),
            "drkit finetune --help": (DRKIT, "finetune", "--help"),
        }
        for program in () if options.quick else programs.values():
            cpu_seconds(*program)  # writes the bytecode
        rounds = range(1 if options.quick else options.rounds)
        times = [{name: cpu_seconds(*program) for name, program in programs.items()} for _ in rounds]
    seconds = {name: median(each[name] for each in times) for name in programs}
    for name, value in seconds.items():
        line = name.replace("drkit", "bare")
        print(f"{name:24} {value * 1000:6.0f} ms {value / seconds[line]:6.2f} x bare")


if __name__ == "__main__":
    main()
