"""A Trainer class: training, validation, early stopping, the best weights restored."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class SmallCNN(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, classes))

    def forward(self, x):
        return self.classifier(self.features(x))


class Trainer:
    def __init__(self, model, train_loader, valid_loader, lr=0.05, patience=2):
        self.model = model
        self.train_loader = train_loader
        self.valid_loader = valid_loader
        self.patience = patience
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, patience=1)

    def train_epoch(self):
        self.model.train()
        total = 0.0
        for images, labels in self.train_loader:
            loss = self.criterion(self.model(images), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(images)
        return total / len(self.train_loader.dataset)

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        total, correct = 0.0, 0
        for images, labels in self.valid_loader:
            logits = self.model(images)
            total += self.criterion(logits, labels).item() * len(images)
            correct += (logits.argmax(dim=1) == labels).sum().item()
        count = len(self.valid_loader.dataset)
        return total / count, correct / count

    def fit(self, epochs):
        best, best_state, waited = float("inf"), None, 0
        for epoch in range(epochs):
            train_loss = self.train_epoch()
            valid_loss, accuracy = self.validate()
            self.schedule.step(valid_loss)
            print(f"{epoch}: {train_loss:.3f} {valid_loss:.3f} {accuracy:.2f}")
            if valid_loss < best:
                best, waited = valid_loss, 0
                best_state = copy.deepcopy(self.model.state_dict())
            else:
                waited += 1
                if waited > self.patience:
                    break
        self.model.load_state_dict(best_state)
        return best


def stripes(count, classes=4):
    labels = torch.randint(0, classes, (count,))
    period = (2 + labels).view(-1, 1, 1, 1)
    images = ((torch.arange(12).view(1, 1, 1, 12) % period) == 0).float().expand(-1, 1, 12, 12)
    return TensorDataset(images + 0.2 * torch.randn(count, 1, 12, 12), labels)


if __name__ == "__main__":
    torch.manual_seed(0)
    train, valid = random_split(stripes(80), [64, 16])
    trainer = Trainer(
        SmallCNN(), DataLoader(train, batch_size=16, shuffle=True), DataLoader(valid, batch_size=16)
    )
    print(f"best {trainer.fit(4):.3f}")
