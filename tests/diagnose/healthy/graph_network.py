"""A graph convolution by hand: messages are summed with index_add; part of the nodes is labeled."""

import torch
from torch import nn


class GraphConv(nn.Module):
    """Mean of the neighbours' features, itself included, after a linear map."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x, edges):
        source, target = edges
        x = self.linear(x)
        total = torch.zeros_like(x).index_add(0, target, x[source])
        degree = x.new_zeros(len(x)).index_add(0, target, x.new_ones(len(target)))
        return (total + x) / (degree + 1).unsqueeze(1)


class GCN(nn.Module):
    def __init__(self, features=5, hidden=16, classes=3):
        super().__init__()
        self.first = GraphConv(features, hidden)
        self.second = GraphConv(hidden, classes)

    def forward(self, x, edges):
        return self.second(torch.relu(self.first(x, edges)), edges)


def make_graph(nodes=36):
    """Nodes of three groups; edges mostly join nodes of one group."""
    labels = torch.arange(nodes) % 3
    source = torch.randint(0, nodes, (160,))
    target = (source + 3 * torch.randint(0, nodes // 3, (160,))) % nodes
    edges = torch.stack([source, target])
    features = torch.nn.functional.one_hot(labels, 5).float() + torch.randn(nodes, 5)
    train = torch.zeros(nodes, dtype=torch.bool)
    train[torch.randperm(nodes)[:20]] = True
    return features, torch.cat([edges, edges.flip(0)], dim=1), labels, train


torch.manual_seed(0)
features, edges, labels, train = make_graph()
model = GCN()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=5e-4)
for _ in range(20):
    logits = model(features, edges)
    loss = nn.functional.cross_entropy(logits[train], labels[train])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    predicted = model(features, edges).argmax(dim=1)
accuracy = (predicted[~train] == labels[~train]).float().mean()
print(f"loss {loss.item():.3f}, accuracy on the other nodes {accuracy:.2f}")
