"""Mixed precision as on a GPU: autocast, GradScaler, clipping, and a warm-up; works on a CPU."""

import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR


def build(device):
    model = nn.Sequential(
        nn.Conv1d(2, 8, 3),
        nn.GroupNorm(2, 8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 14, 4),
    )
    return model.to(device)


def batch(size, device):
    labels = torch.randint(0, 4, (size,))
    time = torch.arange(16) / 16
    wave = torch.sin(2 * torch.pi * (labels + 1)[:, None] * time)
    signals = torch.stack([wave, wave.roll(2, 1)], 1) + 0.1 * torch.randn(size, 2, 16)
    return signals.to(device), labels.to(device)


def main(steps=8):
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float16 if device == "cuda" else torch.bfloat16
    model = build(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, nesterov=True, momentum=0.9)
    warmup = LinearLR(optimizer, start_factor=0.1, total_iters=3)
    schedule = SequentialLR(optimizer, [warmup, ExponentialLR(optimizer, 0.9)], milestones=[3])
    scaler = torch.amp.GradScaler(device, enabled=device == "cuda")
    criterion = nn.CrossEntropyLoss()
    model.train()
    for _ in range(steps):
        signals, labels = batch(12, device)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=dtype):
            loss = criterion(model(signals), labels)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    print(f"loss {loss.item():.3f}, learning rate {schedule.get_last_lr()[0]:.4f}")


if __name__ == "__main__":
    main()
