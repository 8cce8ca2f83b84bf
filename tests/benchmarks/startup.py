"""CPU time of `drkit --help`, `drkit finetune --help` and `drkit predict`, as multiples of that of bare programs.

The bare program for the first two has as many commands as drkit, in the same groups, each with one argument and one
option, and imports nothing but Typer. The one for `predict` imports OpenCV, pandas, timm and torch, reads one
photograph and runs an untrained network of the architecture of `fundus` once; drkit also restores the run, finds the
disc, compares the photograph with those that the run was trained on, and writes predictions. The bytecode of all
programs is cached.
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
from drkit.config.synth import SynthConfig
from drkit.recipes.synth import run_synth
from drkit.records.layouts import read_dataset

DRKIT = "from drkit.cli.app import main\nmain()"
BARE_PREDICT = """
import sys, cv2, pandas, timm, torch
torch.set_num_threads(1)
network = timm.create_model("tf_efficientnet_lite0", num_classes=5).eval()
photograph = cv2.resize(cv2.imread(sys.argv[1]), (224, 224))
with torch.inference_mode():
    network(torch.from_numpy(photograph).permute(2, 0, 1)[None].float() / 255)
"""


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


def write_photograph(folder: Path, side: int) -> Path:
    """Write a synthetic photograph to a folder of its own."""
    run_synth(SynthConfig(out=folder / "eyes", patients=5, size=side, workers=1))
    path = folder / "single" / "photograph.jpg"
    path.parent.mkdir()
    return read_dataset(folder / "eyes").paths()[0].rename(path)


def cpu_seconds(code: str, *arguments: str) -> float:
    """User and system time of a fresh Python process that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Print the median CPU times and their ratios; rounds of the programs alternate."""
    parser = build_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="Number of runs of each program.")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        bare = write_bare_program(Path(folder))
        photograph = write_photograph(Path(folder), 64 if options.quick else 512)
        out = ("--out", f"{folder}/predictions.parquet", "--force", "--workers", "1")
        programs = {
            "bare --help": (bare, "--help"),
            "bare finetune --help": (bare, "finetune", "--help"),
            "drkit --help": (DRKIT, "--help"),
            "drkit finetune --help": (DRKIT, "finetune", "--help"),
            "bare predict": (BARE_PREDICT, str(photograph)),
            "drkit predict": (DRKIT, "predict", "fundus", "--data", str(photograph.parent), *out),
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
