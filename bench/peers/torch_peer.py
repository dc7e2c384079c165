"""PyTorch, eager, with its fused optimizers:  torch_peer.py W1 SECONDS THREADS f32|bf16
A step is zero_grad, forward, loss, backward and update on one batch in memory. bf16 is torch.autocast."""
from workloads import WORKLOADS, arguments, measure

import torch
from torch import nn

a = arguments()
sizes, batch, rate, optimizer = WORKLOADS[a.workload]
torch.set_num_threads(a.threads)
torch.manual_seed(0)
small = a.workload.startswith("W8")

layers = []
for i in range(1, len(sizes)):
    layers.append(nn.Linear(sizes[i - 1], sizes[i]))
    if small:
        layers.append(nn.Tanh())
    elif i + 1 < len(sizes):
        layers.append(nn.ReLU())
net = nn.Sequential(*layers)
x = 2 * torch.rand(batch, sizes[0]) - 1
target = torch.rand(batch, 1) if small else torch.arange(batch) % sizes[-1]
loss_of = nn.MSELoss() if small else nn.CrossEntropyLoss()
kind = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
update = kind(net.parameters(), lr=rate, fused=True)


def step():
    update.zero_grad(set_to_none=True)
    if a.precision == "bf16":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(net(x), target)
    else:
        loss = loss_of(net(x), target)
    loss.backward()
    update.step()


measure(a.workload, batch, step, lambda: None, a.seconds)
