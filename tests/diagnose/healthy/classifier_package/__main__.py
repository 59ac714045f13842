"""Train a classifier whose parts are in several files: `python classifier_package`."""

import torch
from data import loaders
from engine import Engine
from model import ResNet


def main():
    torch.manual_seed(0)
    train, valid = loaders(batch_size=16)
    engine = Engine(ResNet(classes=3), lr=0.05)
    for epoch in range(3):
        loss = engine.train(train)
        accuracy = engine.evaluate(valid)
        print(f"epoch {epoch}: loss {loss:.3f}, accuracy {accuracy:.2f}")


if __name__ == "__main__":
    main()
