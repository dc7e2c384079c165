#!/usr/bin/env python3
"""A net of data/models/cifar_*.yaml learnt by PyTorch on the same picture files, by the same rules: what do they cost there?

    bench/peers/cifar.py FOLDER [--model cifar_quick] [--epochs N] [--threads N] [--steps N] [--seed N]

FOLDER has train/CLASS/*.jpg and test/CLASS/*.jpg; needs torch, NumPy and Pillow. Prints the seconds that reading took, a line an
epoch, and the accuracy of the averaged weights by six views. --steps ends after so many, to compare speeds alone.
"""
import argparse
import copy
import os
import re
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "models")


def read(folder):
    pictures, labels = [], []
    for label, name in enumerate(sorted(os.listdir(folder))):
        for file in sorted(os.listdir(os.path.join(folder, name))):
            pictures.append(np.asarray(Image.open(os.path.join(folder, name, file)).convert("RGB")))
            labels.append(label)
    return torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float().contiguous(), torch.tensor(labels)


def model_file(name):
    """The layers of a model file, [(kind, numbers, {key: value})], and how it wants to be trained."""
    with open(os.path.join(MODELS, name + ".yaml"), encoding="utf-8") as file:
        text = file.read()
    layers = []
    for line in re.findall(r"^  - (.*)$", text, re.M):
        words = line.split()
        options = dict(w.split("=") for w in words if "=" in w)
        layers.append((words[0], [int(w) for w in words if w.isdigit()], options, words[-1]))
    training = re.search(r"^train: \{(.*?)\}", text, re.M | re.S).group(1)
    return layers, {k: v if v.isalpha() else float(v) for k, v in re.findall(r"(\w+): ([\w.]+)", training)}


def net(layers):
    modules, before, scale = [], 3, 1.0
    for kind, numbers, options, last in layers:
        if kind in ("whiten", "conv"):
            filters, kernel = numbers
            padding = options.get("padding", "0")
            modules.append(nn.Conv2d(before, filters, kernel, padding=padding if padding == "same" else int(padding),
                                     bias=options.get("bias") != "false"))
            before = filters
        elif kind == "batchnorm":
            modules.append(nn.BatchNorm2d(before, momentum=float(options["momentum"])))
        elif kind == "scale":
            scale = float(last)
        else:
            modules.append({"gelu": nn.GELU, "flatten": nn.Flatten, "pool": lambda: nn.MaxPool2d(numbers[0]),
                            "dense": lambda: nn.Linear(before, 10)}[kind]())
    model = nn.Sequential(*modules)
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model, scale


def whiten(conv, x):
    side = conv.kernel_size[0]
    patches = F.unfold(x, side).transpose(1, 2).reshape(-1, 3 * side * side).double()
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / (values + 5e-4 * values.mean()).sqrt()).T.flip(0).float()[:conv.out_channels // 2].view(-1, 3, side, side)
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
def muon(weights, moments, rate, momentum, decay):
    for w, m in zip(weights, moments):
        m.lerp_(w.grad, 1 - momentum)
        u = w.grad.lerp(m, momentum).flatten(1)
        gain = max(1, u.shape[0] / u.shape[1]) ** 0.5
        w.mul_(1 - rate * decay).sub_(orthogonal(u).view_as(w), alpha=rate * gain)
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
    parser.add_argument("--model", default="cifar_quick")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=1 << 60)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    layers, t = model_file(a.model)
    epochs, batch, warmup = a.epochs or int(t["epochs"]), int(t["batch"]), int(t["warmup"])
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    begin = time.perf_counter()
    x, labels = read(os.path.join(a.folder, "train"))
    test, test_labels = read(os.path.join(a.folder, "test"))
    mean, deviation = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    x, test = (x - mean) / deviation, (test - mean) / deviation
    print(f"read in {time.perf_counter() - begin:.1f} s", flush=True)
    model, scale = net(layers)
    whiten(model[0], x[::len(x) // 1024])
    matrices = [p for p in model.parameters() if p.dim() > 1 and p.requires_grad]
    moments = [torch.zeros_like(p) for p in matrices]
    side = torch.optim.AdamW([p for p in model.parameters() if p.dim() == 1], lr=t["side_lr"], weight_decay=t["decay"])
    first, steps, step = torch.rand(len(x)) < 0.5, epochs * (len(x) // batch), 0
    average = None
    for epoch in range(epochs):
        order, total = torch.randperm(len(x)), 0.0
        for i in range(len(x) // batch):
            index = order[i * batch:(i + 1) * batch]
            logits = model(augment(x[index], first[index] ^ (epoch % 2 == 1))) * scale
            loss = F.cross_entropy(logits, labels[index], label_smoothing=t["label_smoothing"])
            loss.backward()
            factor = (1 + step * (warmup - 1) / warmup) / warmup if step < warmup else 1 - (step - warmup) / (steps - warmup)
            muon(matrices, moments, t["lr"] * factor, t["momentum"], t["decay"])
            side.param_groups[0]["lr"] = t["side_lr"] * factor
            side.step()
            side.zero_grad()
            step += 1
            total += loss.item()
            if average is None:
                average = copy.deepcopy(model)
            share = max(1 - t["ema"], 9 / (8 + step))
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
