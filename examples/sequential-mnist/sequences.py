#!/usr/bin/env python3
"""Digits as sequences of pixels: train.safetensors and valid.safetensors, with x [digits, SIDE * SIDE, 1] and labels.

    sequences.py MNIST.csv.gz DIRECTORY DIGITS SIDE

Every fifth of the first DIGITS digits, taken in turn from each class, is for validation. They are drawn SIDE pixels high
and wide, of 28 by the nearest one.
"""
import array
import gzip
import json
import struct
import sys
import zlib

PIXELS, OWN_SIDE = 784, 28


def write(path, digits):
    x = array.array("f", (value for _, pixels in digits for value in pixels))
    labels = array.array("i", (label for label, _ in digits))
    split = x.itemsize * len(x)
    header = json.dumps(
        {
            "x": {"dtype": "F32", "shape": [len(digits), len(digits[0][1]), 1], "data_offsets": [0, split]},
            "labels": {"dtype": "I32", "shape": [len(digits)], "data_offsets": [split, split + 4 * len(labels)]},
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        x.tofile(out)
        labels.tofile(out)


def drawn(pixels, side):
    own = [i * OWN_SIDE // side for i in range(side)]
    return [pixels[OWN_SIDE * y + x] for y in own for x in own]


def read(source):
    try:
        with gzip.open(source, "rt") as lines:
            rows = [[float(field) for field in line.split(",")] for line in lines]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        sys.exit(f"{source}: {error}; give a gzipped CSV of {PIXELS} pixels and a digit on each line")
    if not rows or any(len(row) != PIXELS + 1 for row in rows):
        sys.exit(f"{source}: {'a line has not' if rows else 'no lines of'} {PIXELS} pixels and a digit")
    return rows


def main(source, directory, count, side):
    rows = read(source)
    by_class = {}
    for row in rows:
        by_class.setdefault(int(row[-1]), []).append([value / 255 for value in row[:-1]])
    classes = sorted(by_class)
    digits = [(label, by_class[label][i]) for i in range(min(map(len, by_class.values()))) for label in classes]
    digits = [(label, drawn(pixels, int(side))) for label, pixels in digits[: int(count)]]
    held_out = [k // len(classes) % 5 == 4 for k in range(len(digits))]
    if not any(held_out):
        sys.exit(f"{source}: fewer than five digits of a class; give more of each")
    write(f"{directory}/train.safetensors", [d for d, held in zip(digits, held_out) if not held])
    write(f"{directory}/valid.safetensors", [d for d, held in zip(digits, held_out) if held])


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
