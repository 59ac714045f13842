"""Extract features from a fixed network into a NumPy file, and search the nearest images."""

import io

import numpy as np
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Photos(Dataset):
    """Images of 8 bits, as a decoder returns them."""

    def __init__(self, count, transform):
        generator = np.random.default_rng(0)
        colors = generator.integers(0, 256, (count, 1, 1, 3))
        noise = generator.integers(-20, 20, (count, 24, 24, 3))
        self.pixels = np.clip(colors + noise, 0, 255).astype(np.uint8)
        self.transform = transform

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        return self.transform(self.pixels[index])


def preprocessing():
    return v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )


def backbone():
    """A SqueezeNet without its classifier; a real script would load weights here."""
    network = torchvision.models.squeezenet1_1(weights=None)
    return nn.Sequential(network.features, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def extract(model, loader):
    with torch.inference_mode():
        return torch.cat([model(images) for images in loader]).numpy()


def main():
    torch.manual_seed(0)
    loader = DataLoader(Photos(8, preprocessing()), batch_size=4)
    features = extract(backbone(), loader)
    buffer = io.BytesIO()
    np.save(buffer, features)
    distance = np.linalg.norm(features[:, None] - features[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    print(features.shape, distance.argmin(axis=1).shape)


if __name__ == "__main__":
    main()
