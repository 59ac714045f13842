"""The imports that programs customarily use, and where another import goes in a file."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits

if TYPE_CHECKING:
    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.source import Source

CUSTOMARY = {
    "torch": "import torch",
    "nn": "from torch import nn",
    "F": "from torch.nn import functional as F",
    "optim": "from torch import optim",
    "init": "from torch.nn import init",
    "torchvision": "import torchvision",
    "transforms": "from torchvision import transforms",
    "datasets": "from torchvision import datasets",
    "models": "from torchvision import models",
    "TF": "from torchvision.transforms import functional as TF",
    "v2": "from torchvision.transforms import v2",
    "DataLoader": "from torch.utils.data import DataLoader",
    "Dataset": "from torch.utils.data import Dataset",
    "TensorDataset": "from torch.utils.data import TensorDataset",
    "random_split": "from torch.utils.data import random_split",
    "Subset": "from torch.utils.data import Subset",
    "Variable": "from torch.autograd import Variable",
    "Parameter": "from torch.nn import Parameter",
    "Adam": "from torch.optim import Adam",
    "AdamW": "from torch.optim import AdamW",
    "SGD": "from torch.optim import SGD",
    "StepLR": "from torch.optim.lr_scheduler import StepLR",
    "ReduceLROnPlateau": "from torch.optim.lr_scheduler import ReduceLROnPlateau",
    "lr_scheduler": "from torch.optim import lr_scheduler",
    "GradScaler": "from torch.amp import GradScaler",
    "autocast": "from torch import autocast",
    "np": "import numpy as np",
    "numpy": "import numpy",
    "plt": "from matplotlib import pyplot as plt",
    "pd": "import pandas as pd",
    "cv2": "import cv2",
    "Image": "from PIL import Image",
    "tqdm": "from tqdm import tqdm",
    "Path": "from pathlib import Path",
    "OrderedDict": "from collections import OrderedDict",
    "defaultdict": "from collections import defaultdict",
    "Counter": "from collections import Counter",
    "partial": "from functools import partial",
    "reduce": "from functools import reduce",
    "dataclass": "from dataclasses import dataclass",
    "deepcopy": "from copy import deepcopy",
    "SummaryWriter": "from torch.utils.tensorboard import SummaryWriter",
}
STANDARD = frozenset(
    {"argparse", "collections", "copy", "functools", "glob", "itertools", "json", "logging"}
    | {"math", "os", "pickle", "random", "shutil", "sys", "time", "warnings", "re", "csv"}
)


def customary_import(name: str) -> str:
    """Return the statement that programs bind a name with; empty if it is not customary."""
    return f"import {name}" if name in STANDARD else CUSTOMARY.get(name, "")


@cache
def is_installed(statement: str) -> bool:
    """Return whether the library of an import statement is installed; imports nothing."""
    package = statement.split()[1].partition(".")[0]
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def with_import(source: Source, statement: str) -> Patch:
    """Insert an import after the first imports of a file, else after its docstring."""
    body = source.tree.body
    first = next(
        (i for i, s in enumerate(body) if isinstance(s, ast.Import | ast.ImportFrom)), None
    )
    if first is None:
        docstring = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        return (edits.insert_after if docstring else edits.insert_before)(
            source, body[0], statement
        )
    last = first
    while last + 1 < len(body) and isinstance(body[last + 1], ast.Import | ast.ImportFrom):
        last += 1
    return edits.insert_after(source, body[last], statement)


def replaced_with_import(source: Source, node: ast.expr, text: str, statement: str) -> Patch:
    """Replace an expression, and add an import after the last one; raises EditError without one."""
    imports = [one for one in source.tree.body if isinstance(one, ast.Import | ast.ImportFrom)]
    if not imports or node.lineno <= imports[-1].lineno:
        message = "no import of the file shows where a new one belongs"
        raise edits.EditError(message)
    last = imports[-1]
    return edits.replace(source, [(node, text), (last, f"{source.text_of(last)}\n{statement}")])
