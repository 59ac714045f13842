"""Saliency maps: gradients of a score with respect to the image, and a map by Grad-CAM."""

import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.classifier = nn.Linear(6, 3)

    def forward(self, x):
        return self.classifier(self.features(x).mean(dim=(2, 3)))


class GradCam:
    """Weights the activations of a layer by their mean gradients."""

    def __init__(self, model, layer):
        self.model = model
        self.activations = None
        self.handle = layer.register_forward_hook(self.keep)

    def keep(self, module, inputs, output):
        self.activations = output

    def __call__(self, image):
        score = self.model(image).amax()
        (gradient,) = torch.autograd.grad(score, self.activations)
        weights = gradient.mean(dim=(2, 3), keepdim=True)
        return (weights * self.activations).sum(dim=1).relu().detach()

    def close(self):
        self.handle.remove()


def saliency(model, image):
    image = image.clone().requires_grad_(True)
    model(image).amax().backward()
    return image.grad.abs().amax(dim=1)


torch.manual_seed(0)
model = Network().eval()
model.requires_grad_(False)
plain, cams = [], []
for _ in range(3):
    image = torch.rand(1, 1, 8, 8)
    plain.append(saliency(model, image))

model.requires_grad_(True)
cam = GradCam(model, model.features)
for _ in range(3):
    cams.append(cam(torch.rand(1, 1, 8, 8)))
cam.close()
print(torch.cat(plain).shape, torch.cat(cams).shape)
