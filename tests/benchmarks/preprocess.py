"""Time each preprocessing step beside decoding and encoding the same photograph, and print photographs a second."""

from pathlib import Path

import cv2
from timing import best_time, build_parser

from drkit.catalogue import FILTERS
from drkit.images.disc import find_disc
from drkit.images.files import decode_photograph, encode_photograph
from drkit.images.filters.fundus import Fundus
from drkit.images.filters.steps import follow_steps, parse_steps
from drkit.images.synthetic.patient import draw_patient, photograph_patient

ROUNDS = 40
CHAINS = ("circle-crop,resize", "circle-crop,resize,ben-graham,clahe,blur,sharpen")


def main() -> None:
    """Time on the photograph whose path is given, else on a synthetic one of 512 pixels."""
    parser = build_parser(__doc__)
    parser.add_argument("photograph", type=Path, nargs="?")
    options = parser.parse_args()
    rounds = 1 if options.quick else ROUNDS
    cv2.setNumThreads(1)
    if options.photograph:
        content = options.photograph.read_bytes()
    else:
        content = encode_photograph(next(iter(photograph_patient(draw_patient(0, 1, 3), 512))).photograph, ".jpg")
    photograph = decode_photograph(content, "photograph")
    fundus = Fundus.of(photograph, find_disc(photograph))
    limit = best_time(lambda: decode_photograph(content, "photograph"), rounds)
    limit += best_time(lambda: encode_photograph(photograph, ".jpg"), rounds)
    print(f"{'decode and encode':50} {1 / limit:6.0f}/s   1.00 times its time")
    works = {"find the disc": lambda: find_disc(photograph)}
    works |= {name: lambda name=name: follow_steps(fundus, parse_steps(name)) for name in FILTERS}
    works |= {chain: lambda chain=chain: follow_steps(fundus, parse_steps(chain)) for chain in CHAINS}
    for name, work in works.items():
        seconds = best_time(work, rounds)
        print(f"{name:50} {1 / seconds:6.0f}/s {seconds / limit:6.2f} times its time")


if __name__ == "__main__":
    main()
