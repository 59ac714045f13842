"""Files of two folders that are paired by their positions in listings that nothing sorts."""

from __future__ import annotations

from rule_checks import FixedProgramChecks

KINDS = {
    "unsorted_listings": "data/pairs_out_of_order",
    "files_out_of_order": "data/pairs_out_of_order",
}
FILES = """
import glob, os, tempfile
from pathlib import Path
from torch.utils.data import DataLoader, Dataset

root = tempfile.mkdtemp()
for split in ("train", "test"):
    for folder, ending in (("scenes", ""), ("regions", "_region")):
        os.makedirs(f"{root}/{split}/{folder}")
        for number in (3, 1, 0, 4, 2):
            Path(f"{root}/{split}/{folder}/s{number}{ending}.txt").write_text(str(number))

def read(path):
    return torch.full((3, 6, 6), float(Path(path).read_text()))

def fit(loader, net=nn.Conv2d(3, 3, 1)):
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for x, y in loader:
        optimizer.zero_grad()
        F.mse_loss(net(x), y).backward()
        optimizer.step()
"""
ROWS = """
class Rows(Dataset):
    def __init__(self, root, split="train"):
        scenes = {scenes}
        regions = {regions}{mark}
        self.rows = []
        for at in range(len(scenes)):
            {body}

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        scene, region = self.rows[index]
        return read(scene), read(region)

fit(DataLoader(Rows(root), 2, shuffle=True))
"""
NAMES = {
    "scenes": 'os.listdir(f"{root}/{split}/scenes")',
    "regions": 'os.listdir(f"{root}/{split}/regions")',
}
SORTED = {key: f"sorted({value})" for key, value in NAMES.items()}
BODY = """scene = f"{root}/{split}/scenes/" + scenes[at]
            region = f"{root}/{split}/regions/" + regions[at]
            self.rows.append([scene, region])"""


def rows(scenes: str, regions: str, body: str = BODY, mark: str = "") -> str:
    return FILES + ROWS.format(scenes=scenes, regions=regions, body=body, mark=mark)


CHECKED = """if scenes[at][:2] != regions[at][:2]:
                raise ValueError(scenes[at])
            """
# Each program has one mistake, in the line that is marked. The name before the dot is the rule.
BROKEN = {
    "unsorted_listings.loop": rows(**NAMES, mark="  # cause"),
    "unsorted_listings.enumerate": f"""{FILES}
def pairs(folder):
    regions = [str(path) for path in Path(folder, "regions").glob("*.txt")]
    found = []
    for at, scene in enumerate(Path(folder, "scenes").glob("*.txt")):  # cause
        found.append((read(scene), read(regions[at])))
    return found

fit(DataLoader(pairs(root + "/train"), 2, shuffle=True))
""",
    "unsorted_listings.comprehension": f"""{FILES}
def listed(folder):
    scenes, regions = glob.glob(folder + "/scenes/*"), glob.glob(folder + "/regions/*")  # cause
    return scenes, regions

scenes, regions = listed(root + "/train")
rows = [dict(scene=scenes[k], region=regions[k]) for k in range(min(len(scenes), len(regions)))]
fit(DataLoader([(read(row["scene"]), read(row["region"])) for row in rows], 2, shuffle=True))
""",
    "unsorted_listings.parallel": f"""{FILES}
class Loaded(Dataset):
    def __init__(self, scenes, regions):
        self.scenes, self.regions = [], []
        for at in range(len(scenes)):
            self.scenes.append(read(scenes[at]))
            region = read(regions[at])
            self.regions.append(region)

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        return self.scenes[index], self.regions[index]

def both(folder):
    first = list(Path(folder).joinpath("scenes").iterdir())
    second = list(Path(folder).joinpath("regions").iterdir())  # cause
    return first, second

fit(DataLoader(Loaded(*both(root + "/test")), 2, shuffle=True))
""",
    "unsorted_listings.table": f"""{FILES}
class pandas:
    class DataFrame(dict):
        index = range(5)

scenes = [os.path.join(root, "train/scenes", name) for name in os.listdir(root + "/train/scenes")]
regions = list(Path(root).rglob("train/regions/*.txt"))  # cause
table = pandas.DataFrame({{"scene": scenes, "region": regions}})
rows = [(read(table["scene"][n]), read(table["region"][n])) for n in table.index]
fit(DataLoader(rows, 2, shuffle=True))
""",
    "unsorted_listings.while": f"""{FILES}
scenes = glob.glob(root + "/train/scenes/*.txt")
regions = glob.glob(root + "/train/regions/*.txt")  # cause
at, rows = 0, []
while at < len(scenes):
    rows += [(read(scenes[at]), read(regions[at]))]
    at += 1
fit(DataLoader(rows, 2, shuffle=True))
""",
    "files_out_of_order.objects": f"""{FILES}
class Folder:
    def __init__(self, path):
        self.files = [os.path.join(path, name) for name in os.listdir(path)]  # cause

class Rows(Dataset):
    def __init__(self, folder):
        first, second = Folder(folder + "/scenes"), Folder(folder + "/regions")
        self.scenes, self.regions = first.files, second.files

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        return read(self.scenes[index]), read(self.regions[index])

for number in range(5, 17):
    Path(f"{{root}}/train/scenes/s{{number}}.txt").write_text(str(number))
    Path(f"{{root}}/train/regions/s{{21 - number}}_region.txt").write_text(str(number))
fit(DataLoader(Rows(root + "/train"), 2, shuffle=True))
""",
    "files_out_of_order.rows": f"""{FILES}
class Rows(Dataset):
    def __init__(self, folder):
        names = [path.name for path in sorted(Path(folder, "scenes").iterdir())]
        others = reversed([path.name for path in sorted(Path(folder, "regions").iterdir())])
        self.rows = [
            {{"scene": f"{{folder}}/scenes/{{a}}", "region": f"{{folder}}/regions/{{b}}", "at": 1}}
            for a, b in zip(names, others)
        ]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return read(self.rows[index]["scene"]), read(self.rows[index]["region"])

fit(DataLoader(Rows(root + "/train"), 2, shuffle=True))  # cause
""",
    "files_out_of_order.lists": f"""{FILES}
class Rows(Dataset):
    def __init__(self, folder):
        first, second = os.scandir(folder + "/scenes"), os.scandir(folder + "/regions")
        self.rows = [[one.path, other.path] for one, other in zip(
            sorted(first, key=lambda x: x.name), sorted(second, key=lambda x: x.name)[::-1])]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return tuple(map(read, self.rows[index]))

fit(DataLoader(Rows(root + "/train"), 2, shuffle=True))  # cause
""",
}
FIXED = [name for name in BROKEN if name.startswith("unsorted")] + ["files_out_of_order.objects"]
HEALTHY = {
    "sorted": rows(**SORTED),
    "sorted_later": rows(**NAMES, mark="\n        scenes.sort(); regions.sort()"),
    "compared": rows(**SORTED, body=CHECKED + BODY),
    "by_name": rows(
        scenes=NAMES["scenes"],
        regions="{name[:2]: name for name in os.listdir(f'{root}/{split}/regions')}",
        body=BODY.replace("regions[at]", "regions[scenes[at][:2]]"),
    ),
    "by_a_name_that_is_made": rows(
        **NAMES, body=BODY.replace("regions[at]", 'f"{scenes[at][:2]}_region.txt"')
    ),
    "searched": f"""{FILES}
scenes, regions = os.listdir(root + "/train/scenes"), os.listdir(root + "/train/regions")
rows = [(a, b) for a in scenes for b in regions if b.startswith(a[:2])]
where = root + "/train/{{}}/{{}}"
fit([(read(where.format("scenes", a)), read(where.format("regions", b))) for a, b in rows])
""",
    "checked_before": f"""{FILES}
scenes, regions = glob.glob(root + "/train/scenes/*"), glob.glob(root + "/train/regions/*")
regions = [one.replace("scenes", "regions").replace(".txt", "_region.txt") for one in scenes]
fit([(read(scenes[at]), read(regions[at])) for at in range(len(scenes))])
""",
    "shown_and_counted": f"""{FILES}
scenes, regions = os.listdir(root + "/train/scenes"), os.listdir(root + "/train/regions")
for at in range(len(scenes)):
    print(at, scenes[at], regions[at])
    print(sum(read(f"{{root}}/train/scenes/{{n}}").mean() for n in scenes))
fit([(images[:, :, :, :3], images[:, :, :, 3:])])
""",
    "each_alone": f"""{FILES}
scenes, regions = glob.glob(root + "/train/scenes/*"), glob.glob(root + "/train/regions/*")
total = 0
for at in range(len(scenes)):
    total += read(scenes[at]).mean()
    total += read(regions[at]).mean()
fit([(images[:, :, :, :3] + total, images[:, :, :, 3:])])
""",
    "pairs_of_one_folder": f"""{FILES}
class Verification(Dataset):
    def __init__(self, folder):
        names = sorted(glob.glob(folder + "/scenes/*"))
        self.pairs = [[one, other] for one, other in zip(names, names[1:] + names[:1])]

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return tuple(map(read, self.pairs[index]))

fit(DataLoader(Verification(root + "/train"), 2, shuffle=True))
""",
}


class TestPrograms(FixedProgramChecks):
    pass
