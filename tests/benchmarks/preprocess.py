"""Photographs per second of each preprocessing step, and its time relative to decoding and encoding the photograph.

The last line compares drkit's crop, resize and CLAHE, from file to file, with a plain script of OpenCV's functions,
which crops to what is not black.
"""

from pathlib import Path

import cv2
import numpy as np
from timing import best_time, build_parser

from drkit.catalogue import FILTERS
from drkit.images.disc import find_disc
from drkit.images.files import decode_photograph, encode_photograph
from drkit.images.filters.fundus import Fundus
from drkit.images.filters.steps import follow_steps, frame_photograph, parse_steps
from drkit.images.synthetic.patient import draw_patient, photograph_patient

ROUNDS = 40
CHAINS = ("circle-crop,resize", "circle-crop,resize,ben-graham,clahe,blur,sharpen")


def preprocess_plainly(content: bytes) -> bytes:
    """Crop, resize and equalise with OpenCV's functions only."""
    photograph = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    left, top, width, height = cv2.boundingRect((cv2.cvtColor(photograph, cv2.COLOR_BGR2GRAY) > 10).astype(np.uint8))
    cropped = photograph[top : top + height, left : left + width]
    lab = cv2.cvtColor(cv2.resize(cropped, (512, 512), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2LAB)
    lab[..., 0] = cv2.createCLAHE(2.0, (8, 8)).apply(lab[..., 0])
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return jpeg.tobytes()


def preprocess(content: bytes) -> bytes:
    """The same with drkit, which finds the disc."""
    fundus, _ = frame_photograph(decode_photograph(content, "photograph"))
    return encode_photograph(follow_steps(fundus, parse_steps("circle-crop,resize,clahe")).photograph, ".jpg")


def main() -> None:
    """Measure on the photograph whose path is given, or on a synthetic one of 512 pixels."""
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
    plain, ours = (best_time(lambda work=work: work(content), rounds) for work in (preprocess_plainly, preprocess))
    print(f"file to file, plain OpenCV {1 / plain:.0f}/s, drkit {1 / ours:.0f}/s, ratio {plain / ours:.2f}")


if __name__ == "__main__":
    main()
