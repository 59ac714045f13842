"""Windows of a series, and its normalization by the statistics of the training part."""


class Normalizer:
    def __init__(self, series):
        self.mean, self.std = series.mean(), series.std()

    def __call__(self, series):
        return (series - self.mean) / self.std

    def undo(self, series):
        return series * self.std + self.mean


def make_windows(series, history):
    windows = series.unfold(0, history + 1, 1)
    return windows[:, :-1], windows[:, -1]
