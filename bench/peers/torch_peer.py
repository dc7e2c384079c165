"""PyTorch with its fused optimizers:  torch_peer.py W1 SECONDS THREADS f32|bf16 [plain|channels_last|compiled]
A step is zero_grad, forward, loss, backward and update on one batch in memory. bf16 is torch.autocast; compiled is
torch.compile of forward and loss, with the pictures' channels last."""
from workloads import WORKLOADS, arguments, measure

import torch
from torch import nn

a = arguments(("plain", "channels_last", "compiled"))
sizes, batch, rate, optimizer = WORKLOADS[a.workload]
torch.set_num_threads(a.threads)
torch.manual_seed(0)
small = a.workload.startswith("W8")



class Block(nn.Module):
    """Two convolutions and the road around them; where the picture shrinks, that takes every other place, and zeros for the
    channels that are new."""

    def __init__(self, channels, filters):
        super().__init__()
        self.stride, self.fresh = filters // channels, (filters - channels) // 2
        self.way = nn.Sequential(nn.Conv2d(channels, filters, 3, self.stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
                                 nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))

    def forward(self, u):
        y = self.way(u)
        if self.fresh:
            u = nn.functional.pad(u[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.fresh, self.fresh))
        return torch.relu(y + u)


def dense():
    layers = []
    for i in range(1, len(sizes)):
        layers.append(nn.Linear(sizes[i - 1], sizes[i]))
        if small:
            layers.append(nn.Tanh())
        elif i + 1 < len(sizes):
            layers.append(nn.ReLU())
    return layers


def small_convolutions():
    return [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(),
            nn.Linear(128, 10)]


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for filters in (16, 32, 64):
        layers += [Block(max(16, filters // 2), filters), Block(filters, filters), Block(filters, filters)]
    return layers + [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]


net = nn.Sequential(*{"W3": small_convolutions, "W4": resnet20}.get(a.workload, dense)())
pictures = a.workload in ("W3", "W4")
x = 2 * torch.rand(batch, *(sizes if pictures else sizes[:1])) - 1
if a.way != "plain" and pictures:
    net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
target = torch.rand(batch, 1) if small else torch.arange(batch) % 10
loss_of = nn.MSELoss() if small else nn.CrossEntropyLoss()
if optimizer == "adam":
    update = torch.optim.Adam(net.parameters(), lr=rate, fused=True)
else:
    update = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9 if optimizer == "momentum" else 0, fused=True)
forward = lambda: loss_of(net(x), target)
if a.way == "compiled":
    forward = torch.compile(forward)


def step():
    update.zero_grad(set_to_none=True)
    if a.precision == "bf16":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = forward()
    else:
        loss = forward()
    loss.backward()
    update.step()


measure(a.workload, batch, step, lambda: None, a.seconds)
