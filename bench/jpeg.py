#!/usr/bin/env python3
"""What does JPEG cost a net? Writes a folder of pictures once more: through JPEG, or only reduced; then script/cifar says
what a net learns from it.

    bench/jpeg.py FOLDER TO [--side N] [--quality Q] [--shift S]

--side N     pictures are reduced to N x N first (Lanczos), which leaves little of what an earlier JPEG did to them
--quality Q  they go through JPEG at this quality, colours halved; without it they are written as they are
--shift S    its blocks begin S places before the picture, so that they are not those of an earlier JPEG
FOLDER has train/CLASS/*.jpg and test/CLASS/*.jpg; TO gets the same in PNG. Prints how many pictures there were and the root
of the mean square by which JPEG changed a number of 0 .. 255. Needs numpy and pillow."""
import argparse
import io
import multiprocessing
import os
import sys

import numpy
from PIL import Image


def through_jpeg(picture, quality, shift):
    rim = (-(picture.shape[0] + shift)) % 16
    padded = numpy.pad(picture, ((shift, rim), (shift, rim), (0, 0)), mode="edge")
    file = io.BytesIO()
    Image.fromarray(padded).save(file, "JPEG", quality=quality)
    side = picture.shape[0]
    return numpy.asarray(Image.open(file).convert("RGB"))[shift:shift + side, shift:shift + side]


def write(task):
    path, to, a = task
    picture = Image.open(path).convert("RGB")
    if a.side:
        picture = picture.resize((a.side, a.side), Image.LANCZOS)
    os.makedirs(os.path.dirname(to), exist_ok=True)
    before = numpy.asarray(picture)
    after = through_jpeg(before, a.quality, a.shift) if a.quality else before
    Image.fromarray(after).save(to, compress_level=1)
    return ((after.astype(float) - before) ** 2).mean()


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("folder")
    p.add_argument("to")
    p.add_argument("--side", type=int, default=0)
    p.add_argument("--quality", type=int, default=0)
    p.add_argument("--shift", type=int, default=0)
    a = p.parse_args()
    if a.side < 0 or a.shift < 0 or not 0 <= a.quality <= 100:
        sys.exit("bench/jpeg.py: --side and --shift are 0 or more, --quality is from 1 to 100")
    tasks = []
    for folder, _, files in sorted(os.walk(a.folder)):
        to = os.path.join(a.to, os.path.relpath(folder, a.folder))
        tasks += [(os.path.join(folder, f), os.path.join(to, os.path.splitext(f)[0] + ".png"), a) for f in sorted(files) if f.endswith(".jpg")]
    if not tasks:
        sys.exit("bench/jpeg.py: there is no .jpg file in %s; give a folder with train/CLASS/*.jpg and test/CLASS/*.jpg" % a.folder)
    with multiprocessing.Pool() as pool:
        change = pool.map(write, tasks, 500)
    print("%d pictures, changed by %.2f" % (len(change), numpy.mean(change) ** 0.5))


if __name__ == "__main__":
    main()
