#!/usr/bin/env python3
"""A net of data/models/cifar_*.yaml learnt by PyTorch on the same picture files, by the same rules: what do they cost there?

    bench/peers/cifar.py FOLDER [--model cifar_quick] [--epochs N] [--threads N] [--steps N] [--seed N]

FOLDER has train/CLASS/*.jpg and test/CLASS/*.jpg; needs torch, NumPy and Pillow. Prints the seconds that reading took, a line an
epoch, and the accuracy of the averaged weights by six views. --steps ends after so many, to compare speeds alone.
"""
import argparse
import copy
import os
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image

MODELS = {"cifar_quick": (48, (48, 64, 96, 128, 192, 256), 4), "cifar_fast": (64, (64, 96, 128, 192, 256, 384), 6)}
PATCH, BATCH, RATE, SIDE_RATE, MOMENTUM, DECAY, WARMUP, SMOOTHING, EMA = 4, 500, 0.12, 0.005, 0.8, 0.1, 10, 0.2, 0.98


def read(folder):
    pictures, labels = [], []
    for label, name in enumerate(sorted(os.listdir(folder))):
        for file in sorted(os.listdir(os.path.join(folder, name))):
            pictures.append(np.asarray(Image.open(os.path.join(folder, name, file)).convert("RGB")))
            labels.append(label)
    return torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float().contiguous(), torch.tensor(labels)


def net(whitening, widths):
    layers, before = [nn.Conv2d(3, whitening, PATCH, stride=2, padding=1), nn.GELU()], whitening
    for i, width in enumerate(widths):
        layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), *([nn.MaxPool2d(2)] if i in (1, 3) else []),
                   nn.BatchNorm2d(width, momentum=0.4), nn.GELU()]
        before = width
    model = nn.Sequential(*layers, nn.MaxPool2d(4), nn.Flatten(), nn.Linear(before, 10))
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def whiten(conv, x):
    patches = F.unfold(x, PATCH).transpose(1, 2).reshape(-1, 3 * PATCH * PATCH).double()
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / (values + 5e-4 * values.mean()).sqrt()).T.flip(0).float()[:conv.out_channels // 2].view(-1, 3, PATCH, PATCH)
    conv.weight.data = torch.cat([filters, -filters])
    conv.weight.requires_grad = False


def orthogonal(g):
    x = g / (g.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


@torch.no_grad()
def muon(weights, moments, rate):
    for w, m in zip(weights, moments):
        m.lerp_(w.grad, 1 - MOMENTUM)
        u = w.grad.lerp(m, MOMENTUM).flatten(1)
        gain = max(1, u.shape[0] / u.shape[1]) ** 0.5
        w.mul_(1 - rate * DECAY).sub_(orthogonal(u).view_as(w), alpha=rate * gain)
        w.grad = None


def augment(x, mirrored):
    padded, moved = F.pad(x, (2, 2, 2, 2), "reflect"), torch.empty_like(x)
    places = torch.randint(0, 5, (len(x), 2))
    for top in range(5):
        for left in range(5):
            chosen = (places[:, 0] == top) & (places[:, 1] == left)
            moved[chosen] = padded[chosen][:, :, top:top + 32, left:left + 32]
    return torch.where(mirrored.view(-1, 1, 1, 1), moved.flip(3), moved)


@torch.no_grad()
def accuracy(model, x, labels):
    model.eval()
    right = 0
    for i in range(0, len(x), 500):
        part, padded = x[i:i + 500], F.pad(x[i:i + 500], (1, 1, 1, 1), "replicate")
        views = [(part, 0.25), (padded[:, :, 2:, 2:], 0.125), (padded[:, :, :-2, :-2], 0.125)]
        logits = sum(weight * (model(v) + model(v.flip(3))) for v, weight in views)
        right += (logits.argmax(1) == labels[i:i + 500]).sum().item()
    model.train()
    return right / len(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--model", choices=MODELS, default="cifar_quick")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=1 << 60)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    whitening, widths, epochs = MODELS[a.model]
    epochs = a.epochs or epochs
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    begin = time.perf_counter()
    x, labels = read(os.path.join(a.folder, "train"))
    test, test_labels = read(os.path.join(a.folder, "test"))
    mean, deviation = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    x, test = (x - mean) / deviation, (test - mean) / deviation
    print(f"read in {time.perf_counter() - begin:.1f} s", flush=True)
    model = net(whitening, widths)
    whiten(model[0], x[::len(x) // 1024])
    matrices = [p for p in model.parameters() if p.dim() > 1 and p.requires_grad]
    moments = [torch.zeros_like(p) for p in matrices]
    side = torch.optim.AdamW([p for p in model.parameters() if p.dim() == 1], lr=SIDE_RATE, weight_decay=DECAY)
    first, steps, step = torch.rand(len(x)) < 0.5, epochs * (len(x) // BATCH), 0
    average = None
    for epoch in range(epochs):
        order, total = torch.randperm(len(x)), 0.0
        for i in range(len(x) // BATCH):
            index = order[i * BATCH:(i + 1) * BATCH]
            logits = model(augment(x[index], first[index] ^ (epoch % 2 == 1))) * 0.111
            loss = F.cross_entropy(logits, labels[index], label_smoothing=SMOOTHING)
            loss.backward()
            factor = (1 + step * (WARMUP - 1) / WARMUP) / WARMUP if step < WARMUP else 1 - (step - WARMUP) / (steps - WARMUP)
            muon(matrices, moments, RATE * factor)
            side.param_groups[0]["lr"] = SIDE_RATE * factor
            side.step()
            side.zero_grad()
            step += 1
            total += loss.item()
            if average is None:
                average = copy.deepcopy(model)
            share = max(1 - EMA, 9 / (8 + step))
            for old, new in zip([*average.parameters(), *average.buffers()], [*model.parameters(), *model.buffers()]):
                if old.is_floating_point():
                    old.data.lerp_(new.data, share)
            if step == a.steps:
                break
        print(f"epoch {epoch + 1}/{epochs}  loss {total / (i + 1):.4f}  {time.perf_counter() - begin:.1f} s", flush=True)
        if step == a.steps:
            break
    print(f"accuracy {100 * accuracy(average, test, test_labels):.2f} % after {time.perf_counter() - begin:.1f} s", flush=True)


main()
