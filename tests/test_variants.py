from __future__ import annotations

import ast
import random
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from broken_convnets.commands.variants import (
    attribute_names,
    functional_layers,
    idioms,
    imports,
    layout,
    make,
    naming,
    sizes,
    spelling,
    steps,
    structure,
    variable_names,
    words,
)
from broken_convnets.commands.variants import command as variants_command
from broken_convnets.commands.variants.make import (
    DIFF_LIMIT,
    TRANSFORMATIONS,
    Variant,
    make_variant,
)
from broken_convnets.commands.variants.program_pair import INTERFACE, ProgramPair, program_pair
from broken_convnets.commands.variants.roles import layer_roles, variable_roles
from broken_convnets.commands.variants.store import VerificationCache
from broken_convnets.commands.variants.unparse import unparse
from broken_convnets.commands.variants.verify import REPEATED, CheckedVariant, generate, verify
from broken_convnets.corpus import entries as corpora
from broken_convnets.corpus.diff import hunks
from broken_convnets.corpus.entries import Case, Control, Corpus
from broken_convnets.corpus.rules import GIVEAWAYS
from broken_convnets.observe.runner import runtime_of
from broken_convnets.sandbox.runner import Runner
from kit import BROKEN, HEALTHY, Pair, Solo, case_of, control_of, corpus_of, observations, patched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult
    from conftest import Command
    from kit import Remembering

ROOT = Path(__file__).parent.parent
SAMPLE = (
    "none/missing_return",
    "shape/flatten_before_conv",
    "module/layer_shadows_method",
    "loss/softmax_before_cross_entropy",
    "device/unregistered_buffer",
    "state/state_dict_of_deeper_network",
    "data/constant_modified_in_place",
    "none/conditional_return",
)


@pytest.fixture(scope="module")
def real() -> Corpus:
    return corpora.load(ROOT)


@pytest.fixture(scope="module")
def variants(real: Corpus) -> list[Variant]:
    """Return three variants of each entry of the sample."""
    return [
        make_variant(real.entries[name], 7, number) for name in SAMPLE for number in range(1, 4)
    ]


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  (no secret)


def changed(source: str, transform: str, seed: int = 0) -> str:
    """Return a healthy program after one transformation."""
    pair = program_pair(control_of(Solo(source)))
    assert TRANSFORMATIONS[transform][0](pair, seeded(seed)), f"{transform} did nothing"
    return pair.texts()[0]


def test_a_variant_is_identical_in_every_process(real: Corpus) -> None:
    name = "none/missing_return"
    command = (
        "from pathlib import Path; from broken_convnets.corpus.entries import load; "
        "from broken_convnets.commands.variants.make import make_variant; "
        f"e = load(Path('.')).entries['{name}']; print(make_variant(e, 5, 3).entry.broken, end='')"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "harness")},
        ).stdout
        for seed in ("1", "2")
    ]
    here = make_variant(real.entries[name], 5, 3).entry
    assert isinstance(here, Case)
    assert printed == [here.broken, here.broken]


def test_making_variants_does_not_import_torch() -> None:
    command = (
        "import sys; import broken_convnets.commands.variants.make; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_each_seed_and_number_makes_another_variant_and_zero_is_the_original(real: Corpus) -> None:
    entry = real.entries["none/missing_return"]
    programs = {
        make_variant(entry, seed, number).entry.programs()["broken"]
        for seed in (1, 2)
        for number in range(1, 4)
    }
    assert len(programs) == 6
    assert make_variant(entry, 1, 0).entry == entry


@pytest.mark.slow
def test_most_variants_have_the_manner_of_the_corpus_and_none_is_the_original(
    real: Corpus,
) -> None:
    made = [make_variant(entry, 5, 1) for entry in real.entries.values()]
    assert not [each for each in made if each.entry.programs() == real.entries[each.id].programs()]
    other = sum("layout" in each.transformations for each in made)
    assert 0 < other < 0.25 * len(made)


def test_both_sides_differ_only_by_the_fix(real: Corpus, variants: list[Variant]) -> None:
    for each in variants:
        original, now = real.entries[each.id], each.entry
        assert isinstance(original, Case)
        assert isinstance(now, Case)
        changes = hunks(now.broken, now.fixed)
        assert len(changes) == len(hunks(original.broken, original.fixed)), each.key
        assert 0 < sum(hunk.size for hunk in changes) <= DIFF_LIMIT, each.key


def test_the_interface_keeps_its_names(real: Corpus, variants: list[Variant]) -> None:
    for each in variants:
        before = real.entries[each.id].programs()
        for side, source in each.entry.programs().items():
            assert _defined(before[side]) & INTERFACE <= _defined(source), each.key
            assert "batch_size=" in source
            assert source.splitlines()[-2] == 'if __name__ == "__main__":' or "'" in source


def _defined(source: str) -> set[str]:
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {ast.unparse(target) for target in node.targets}
    return names


def test_new_names_differ_and_do_not_reveal_the_mistake(variants: list[Variant]) -> None:
    for each in variants:
        assert all(old not in new for old, new in each.names.items())
        assert not set(each.names) & {"example_inputs", "run", "forward", "batch_size", "self"}
    every = [
        word
        for group in (words.LAYERS, words.VARIABLES)
        for many in group.values()
        for word in many
    ]
    parts = [part for word in every for part in word.split("_")]
    assert not [part for part in parts if GIVEAWAYS.fullmatch(part)]


def test_a_layer_named_like_a_module_method_keeps_its_name(real: Corpus) -> None:
    entry = real.entries["module/layer_shadows_method"]
    for number in range(1, 5):
        now = make_variant(entry, 3, number).entry
        assert isinstance(now, Case)
        assert "self.half" in now.broken
        assert "self.half" not in now.fixed


def test_module_names_include_every_name_of_nn_module(runner: Remembering) -> None:
    source = "from torch import nn\nraise ValueError(' '.join(dir(nn.Module)))\n"
    raised = observations(runner, {"names": source})["names"].raised
    assert raised is not None
    own = {name for name in raised.message.split() if not name.startswith("_")}
    assert len(own) > 50
    assert own <= naming.MODULE_NAMES


def test_names_in_strings_are_renamed_with_their_attributes() -> None:
    source = patched(
        ("self.conv(x)", 'getattr(self, "conv")(x)'),
    )
    for seed in range(12):
        text = changed(source, "attributes", seed)
        (name,) = re.findall(r"getattr\(self, '(\w+)'", text)
        assert name != "conv"
        assert f"self.{name} = nn.Conv2d(" in text


def test_an_attribute_that_could_belong_to_a_tensor_keeps_its_name() -> None:
    source = patched(
        ("self.conv = ", "self.relu = nn.ReLU()\n        self.conv = "),
        ("self.conv(x)", "self.conv(self.relu(x) - x.relu())"),
    )
    assert all("self.relu(x) - x.relu()" in changed(source, "attributes", s) for s in range(9))


def test_an_attribute_named_like_a_method_keeps_its_name() -> None:
    source = patched(("def forward", "def conv(self, x):\n        return x\n\n    def forward"))
    assert all("self.conv = nn.Conv2d" in changed(source, "attributes", s) for s in range(9))


def test_a_new_name_matches_what_a_thing_is() -> None:
    source = patched(
        ("self.conv = nn.Conv2d", "self.body = nn.Conv2d"),
        ("self.conv(x)", "self.body(x)"),
        (
            "if __name__",
            """\
def run(a, b, c):
    d = torch.optim.SGD(a.parameters(), lr=0.1)
    for e in range(2):
        f = a(b)
        g = nn.functional.cross_entropy(f, c)
        g.backward()
        d.step()
    return g


if __name__""",
        ),
    )
    pair = program_pair(control_of(Solo(source)))
    assert variable_roles(pair) | layer_roles(pair) == {
        "self": "self",
        "x": "features",
        "body": "Conv",
        "fc": "Linear",
        "a": "network",
        "b": "images",
        "c": "targets",
        "d": "optimizer",
        "e": "iteration",
        "f": "outputs",
        "g": "loss",
    }
    assert variable_names.variables(pair, seeded(0))
    (text,) = pair.texts()
    optimizer, loss = re.findall(r"(\w+) = torch.optim|(\w+) = nn.functional", text)
    assert optimizer[0] in words.VARIABLES["optimizer"]
    assert loss[1] in words.VARIABLES["loss"]


def test_what_has_two_roles_or_shares_a_role_keeps_its_name() -> None:
    source = patched(
        ("self.conv = ", "self.extra = nn.Conv2d(2, 2, 1)\n        self.conv = "),
        ("if __name__", "def run(net, x):\n    return net(x)\n\n\nif __name__"),
    )
    pair = program_pair(control_of(Solo(source)))
    assert "x" not in variable_roles(pair)
    assert attribute_names.attributes(pair, seeded(0))
    assert "self.extra = nn.Conv2d(2, 2, 1)" in pair.texts()[0]
    assert "self.fc" not in pair.texts()[0]


@pytest.mark.parametrize(
    ("transform", "pattern"),
    [
        ("variables", r"def forward\(self, (?!x\))\w+\)"),
        ("imports", r"import torch\.nn as nn|torch\.nn\.Module"),
        ("intent", r"^(?!.{3}Classify tiny images)"),
        ("channels", r"Conv2d\(2, (?!4,)\d+"),
        ("classes", r"Linear\(.*, (?!5\))\d+\)"),
        ("batch", r"batch_size=[3568]\b"),
        ("activations", r"\.relu\(\)|functional\.relu\("),
        ("into-sequential", r"Sequential\(nn\.Conv2d\(2, 4, kernel_size=3\), nn\.ReLU\(\)\)"),
        ("into-submodule", r"class (ConvBlock|LinearHead)\(nn\.Module\):\n[^#]*self\.\w+\(x\)"),
        ("named-steps", r"x = torch\.flatten\(x, 1\)\n\s+return self\.fc\(x\)"),
        ("layers-for-functions", r"self\.\w+ = nn\.(ReLU|Flatten)\(\)"),
    ],
)
def test_each_transformation_changes_what_its_name_says(transform: str, pattern: str) -> None:
    texts = []
    for seed in range(20):
        pair = program_pair(control_of(Solo(HEALTHY)))
        if TRANSFORMATIONS[transform][0](pair, seeded(seed)):
            texts += pair.texts()
    assert any(re.search(pattern, text) for text in texts), texts[:1]
    for text in texts:
        compile(text, "variant", "exec")


def _shorten(pair: ProgramPair, _: random.Random) -> bool:
    pair.sides = [ast.parse(text.replace("kernel_size=3", "3")) for text in pair.texts()]
    return True


def _shorten_broken_side(pair: ProgramPair, rng: random.Random) -> bool:
    _, fixed = pair.sides
    _shorten(pair, rng)
    pair.sides[1] = fixed
    return True


@pytest.mark.parametrize(("shorten", "applied"), [(_shorten, True), (_shorten_broken_side, False)])
def test_a_transformation_that_adds_a_difference_between_the_sides_is_undone(
    shorten: make.Transformation,
    applied: bool,  # noqa: FBT001  (a parameter of the test)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(make, "TRANSFORMATIONS", {"shorten": (shorten, 1.0, 1.0)})
    each = make_variant(case_of(Pair()), 0, 1)
    assert ("shorten" in each.transformations) is applied
    for text in each.entry.programs().values():
        assert ("kernel_size=3" in text) is not applied


def test_the_classes_stay_if_their_number_also_stands_where_its_meaning_is_unknown() -> None:
    source = patched(("if __name__", "WEIGHTS = torch.ones(5)\n\n\nif __name__"))
    pair = program_pair(control_of(Solo(source)))
    assert not sizes.classes(pair, seeded(0))


def test_the_channels_that_a_backbone_declares_are_updated() -> None:
    source = patched(("self.conv = ", "self.out_channels = 4\n        self.conv = "))
    text = changed(source, "channels")
    (size,) = re.findall(r"Conv2d\(2, (\d+),", text)
    assert f"self.out_channels = {size}" in text


def test_the_linear_size_is_updated_when_the_image_size_changes() -> None:
    source = patched(("2, 4, 4)", "2, 8, 8)"), ("4 * 2 * 2", "4 * 6 * 6"))
    text = changed(source, "pixels")
    (side,) = set(re.findall(r"2, (\d+), \1\)", text))
    assert int(side) > 8
    assert f"4 * {int(side) - 2} * {int(side) - 2}" in text


def test_a_linear_size_written_as_one_number_is_updated() -> None:
    source = patched(("2, 4, 4)", "2, 8, 8)"), ("4 * 2 * 2", "144"))
    text = changed(source, "pixels")
    (side,) = set(re.findall(r"2, (\d+), \1\)", text))
    assert f"Linear({4 * (int(side) - 2) ** 2}, 5)" in text


def test_the_channels_after_a_concatenation_are_updated() -> None:
    convolved = "x = torch.relu(self.conv(x))"
    joined = f"{convolved}\n        x = self.last(torch.cat([x, x], dim=1))"
    layers = "self.last = nn.Conv2d(8, 4, kernel_size=1)\n        self.fc ="
    source = patched((convolved, joined), ("self.fc =", layers))
    for seed in range(9):
        text = changed(source, "channels", seed)
        (size,) = set(re.findall(r"Conv2d\(2, (\d+),", text))
        assert f"nn.Conv2d({2 * int(size)}, {size}, kernel_size=1)" in text


def test_the_usual_layout_is_that_of_the_corpus(real: Corpus) -> None:
    sources = [source for entry in real.entries.values() for source in entry.programs().values()]
    texts = [layout.render(ast.parse(source), layout.USUAL) for source in sources]
    assert [ast.dump(ast.parse(text)) for text in texts] == [
        ast.dump(ast.parse(source)) for source in sources
    ]
    same = sum(text == source for text, source in zip(texts, sources, strict=True))
    assert same > 0.95 * len(sources)


@pytest.mark.parametrize(
    "statement",
    [
        "conv, fc = one(1), two(2)",
        "return image, mask",
        "return (image,)",
        "total = sum(x for x in many)",
        "mask[3:12, index : index + 5] = values[-2:]",
        "side = base**2",
        "found = [x for (x,) in loader]",
        "for (batch,) in loader:\n    pass",
    ],
)
def test_a_statement_is_written_as_people_write_it(statement: str) -> None:
    tree = ast.parse(statement)
    assert unparse(tree) == statement
    assert ast.dump(tree) == ast.dump(ast.parse(statement)), "the tree has changed"


def test_imports_of_the_standard_library_have_a_paragraph_of_their_own() -> None:
    source = "import io\nimport torch\nfrom PIL import Image\n"
    assert layout.render(ast.parse(source), layout.USUAL) == source.replace("io\n", "io\n\n")


def test_layouts_change_the_text_but_not_the_syntax_tree(real: Corpus) -> None:
    tree = ast.parse(real.entries["shape/flatten_before_conv"].programs()["broken"])
    texts = {layout.render(tree, layout.random_style(seeded(seed))) for seed in range(20)}
    assert len(texts) > 3
    assert {ast.dump(ast.parse(text)) for text in texts} == {ast.dump(tree)}
    assert max(len(line) for text in texts for line in text.splitlines()) <= 100


def test_wrapping_a_comprehension_adds_no_comma() -> None:
    source = "value = function(first_name + second_name for first_name, second_name in many)\n"
    text = layout.render(ast.parse(source), layout.Style(width=40))
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(source))
    assert len(text.splitlines()) > 1


def test_the_failing_expression_is_not_rewritten() -> None:
    entry = case_of(Pair(patched(("x, 1", "x, 9")), declared={"expression": "torch.flatten(x, 9)"}))
    for seed in range(9):
        pair = program_pair(entry)
        spelling.flattening(pair, seeded(seed))
        assert "torch.flatten(x, 9)" in pair.texts()[0]


def test_a_call_is_not_rewritten_if_the_lookup_of_its_method_raises() -> None:
    source = patched(("self.fc(torch.flatten(x, 1))", "self.fc(x.sum(dim=2).mean(dim=2))"))
    entry = case_of(Pair(source, declared={"expression": "x.sum(dim=2).mean"}))
    for seed in range(9):
        pair = program_pair(entry)
        spelling.reductions(pair, seeded(seed))
        assert "torch.mean" not in pair.texts()[0]
        assert ").mean(dim=2)" in pair.texts()[0]


def test_other_fix_sites_are_found_in_the_variant(real: Corpus, variants: list[Variant]) -> None:
    for each in variants:
        original, now = real.entries[each.id], each.entry
        assert isinstance(original, Case)
        assert isinstance(now, Case)
        assert len(now.spec.other_fix_sites) == len(original.spec.other_fix_sites)
        for place in now.spec.other_fix_sites:
            assert place in now.broken


def test_no_layer_is_added_to_a_program_that_iterates_over_its_layers(real: Corpus) -> None:
    pair = program_pair(real.entries["module/backbone_children_without_forward"])
    assert not functional_layers.layers_for_functions(pair, seeded(1))


def test_softmax_becomes_a_layer_only_if_both_sides_use_the_same_dimension() -> None:
    one, other = (
        patched(
            (
                "return self.fc(torch.flatten(x, 1))",
                f"return torch.softmax(self.fc(torch.flatten(x, 1)), dim={dim})",
            )
        )
        for dim in (1, 0)
    )

    def layered(broken: str, fixed: str) -> set[int]:
        counts = set()
        for seed in range(12):
            pair = program_pair(case_of(Pair(broken, fixed)))
            functional_layers.layers_for_functions(pair, seeded(seed))
            counts.add(sum("nn.Softmax(dim=1)" in text for text in pair.texts()))
        return counts

    assert layered(one, one) == {0, 2}
    assert layered(other, one) == {0}
    assert layered(one, HEALTHY) == {0}, "the fixed side would have a layer that is never called"


def test_a_transformation_returns_false_if_it_changes_nothing() -> None:
    bare = ProgramPair([ast.parse('"""Nothing."""\nclass Net:\n    pass\n')])
    families = (
        structure.into_sequential,
        structure.into_submodule,
        steps.named_steps,
        idioms.losses,
        spelling.activations,
        sizes.channels,
        sizes.classes,
        sizes.pixels,
        sizes.batch,
        imports.reimport,
        variable_names.variables,
        attribute_names.attributes,
    )
    for family in families:
        assert not family(ProgramPair.from_bytes(bare.to_bytes()), seeded(0)), family.__name__


# Verification.


def as_variant(entry: Case | Control, **changes: Any) -> Variant:
    """Return a hand-made variant of an entry."""
    return Variant(entry.id, 1, 0, replace(entry, **changes), ("layout",), {}, resized=True)


def check(
    runner: Remembering, *variants: Variant, cache: VerificationCache | None = None
) -> list[CheckedVariant]:
    found = {each.variant.number: each for each in verify(runner, variants, cache=cache)}
    return [found[each.number] for each in variants]


@pytest.mark.slow
def test_good_variants_are_verified_with_their_own_expression_and_layer(
    runner: Remembering,
) -> None:
    entries: list[Case | Control] = [case_of(Pair()), control_of(Solo())]
    variants = [
        replace(make_variant(e, 1, n), number=10 * i + n)
        for i, e in enumerate(entries)
        for n in (1, 2, 3)
    ]
    found = check(runner, *variants)
    assert [each.reason for each in found] == [""] * 6
    for each in found[:3]:
        now = each.variant.entry
        assert isinstance(now, Case)
        assert now.spec.broken.message is not None
        assert "cannot be multiplied" in now.spec.broken.message
        assert each.expression
        assert each.expression in " ".join(now.broken.split())
        assert each.layer


RAISES = patched(("return self.fc", 'raise ValueError("no")\n        return self.fc'))


@pytest.mark.parametrize(
    ("sick", "reason"),
    [
        ({"broken": HEALTHY}, "no failure"),
        ({"broken": RAISES}, "exception"),
        ({"broken": patched(("self.fc = nn.Linear", "self.fc = nn.Line"))}, "stage"),
        ({"broken": patched(("x, 1", "x, 4"))}, "exception"),
        ({"broken": patched(("nn.Conv2d(2", "nn.Conv2d(3"))}, "message"),
        ({"fixed": BROKEN}, "fix_failed"),
        ({"fixed": patched(("torch.relu(self.conv(x))", "self.conv(x)"))}, "fix_failed"),
        (
            {
                "fixed": patched(
                    (
                        "return self.fc(torch.flatten(x, 1))",
                        "return self.fc(torch.flatten(x, 1)).double()",
                    )
                )
            },
            "output",
        ),
    ],
)
def test_a_bad_variant_is_rejected_with_its_reason(
    runner: Remembering, sick: dict[str, str], reason: str
) -> None:
    (found,) = check(runner, as_variant(case_of(Pair()), **sick))
    assert not found.verified
    assert found.reason.partition(":")[0] == reason, found.reason


def test_a_variant_that_repeats_an_earlier_one_is_replaced(
    runner: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    def always_the_same(entry: Case | Control, seed: int, number: int) -> Variant:
        return replace(make_variant(entry, seed, 1), number=number)

    module = import_module("broken_convnets.commands.variants.verify")
    monkeypatch.setattr(module, "make_variant", always_the_same)
    found = list(generate(runner, [control_of(Solo())], count=2, seed=1))
    assert [each.verified for each in found] == [True, False, False, False]
    assert {each.reason for each in found[1:]} == {REPEATED}


def test_a_silent_mistake_that_disappeared_or_changed_is_rejected(runner: Remembering) -> None:
    untrained = patched(("torch.relu(self.conv(x))", "self.conv(x)"))
    entry = case_of(Pair(untrained, silent=("nonlinear",)))
    other = patched(("torch.relu(self.conv(x))", "torch.relu(self.conv(x - x.mean()))"))
    same, gone, moved = check(
        runner,
        as_variant(entry),
        replace(as_variant(entry, broken=HEALTHY), number=2),
        replace(as_variant(entry, broken=other), number=3),
    )
    assert same.verified, same.reason
    assert gone.reason.startswith("not_reproduced")
    assert moved.reason.startswith("wrong_symptom")


def test_a_variant_of_a_control_that_violates_a_law_is_rejected(runner: Remembering) -> None:
    flat = patched(("torch.relu(self.conv(x))", "self.conv(x)"))
    (found,) = check(runner, as_variant(control_of(Solo()), source=flat))
    assert found.reason.startswith("control_failed: nonlinear")


class Counting(Runner):
    """A runner that counts its jobs."""

    def __init__(self, runner: Remembering) -> None:
        self.jobs = 0
        self._runner = runner

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        self.jobs += len(jobs)
        yield from self._runner.run(jobs, schema)

    def close(self) -> None:
        self._runner.close()


def test_a_verification_is_cached_and_a_damaged_file_is_ignored(
    runner: Remembering, tmp_path: Path
) -> None:
    counting = Counting(runner)
    cache = VerificationCache(tmp_path, runtime_of(runner), "cpu")
    each = make_variant(case_of(Pair()), 1, 1)

    def once() -> tuple[bool, str, int]:
        before = counting.jobs
        (found,) = verify(counting, [each], cache=cache)
        return found.verified, found.expression, counting.jobs - before

    first = once()
    assert first[2] > 0
    assert once() == (*first[:2], 0)
    (file,) = tmp_path.glob("*/*.json")
    for damage in ("", "{", '{"verified": "yes"}', '{"verified": true, "more": 1}', "\x00"):
        file.write_text(damage)
        assert once() == first
    file.write_bytes(b"\xff\xfe")
    assert once() == first


def test_a_new_release_declaration_or_program_is_verified_again(
    runner: Remembering, tmp_path: Path
) -> None:
    newer = msgspec.structs.replace(runtime_of(runner), torch="99.0")
    cache, other = (
        VerificationCache(tmp_path, runtime_of(runner), "cpu"),
        VerificationCache(tmp_path, newer, "cpu"),
    )
    each = make_variant(case_of(Pair()), 1, 1)
    list(verify(runner, [each], cache=cache))
    assert cache.get(each, 2) is not None
    assert other.get(each, 2) is None
    assert cache.get(make_variant(case_of(Pair()), 1, 2), 2) is None
    assert cache.get(make_variant(case_of(Pair(declared={"message": "cannot"})), 1, 1), 2) is None


# The command.


@pytest.fixture
def command(harness: Command, runner: Remembering, monkeypatch: pytest.MonkeyPatch) -> Command:
    from contextlib import nullcontext  # noqa: PLC0415  (here alone)

    monkeypatch.setattr(variants_command, "open_torch_runner", lambda _: nullcontext(runner))
    monkeypatch.setenv("XDG_CACHE_HOME", str(harness.root / "cache"))
    return harness


def test_the_command_reports_the_variants_and_writes_a_corpus(command: Command) -> None:
    out = command.root / "out"
    done = command("variants", "--count", "2", "--seed", "1", "--out", str(out))
    assert done.code == 0, done.out + done.err
    assert "4 of 4 variants verified (100.0%), seed 1" in done.out
    written = corpora.load(out)
    assert not written.problems
    assert len(written.entries) == 4
    again = command("variants", "--out", str(out))
    assert (again.code, again.err) == (
        2,
        f"error: --out {out} is not an empty folder: name a new folder, or empty this one\n",
    )


def test_the_command_exits_1_if_an_entry_has_too_few_variants(command: Command) -> None:
    corpus_of(command.root, {"shape/pair": Pair(declared={"message": "something else"})})
    document = command.json("variants", "shape/pair", "--count", "1", "--seed", "3")
    assert document["too_few"] == ["shape/pair"]
    assert [each["verified"] for each in document["variants"]] == [False, False]
    assert command("variants", "shape/pair", "--count", "1", "--seed", "3").code == 1


def test_an_interrupted_command_reports_the_variants_so_far(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> Iterator[CheckedVariant]:
        assert arguments
        yield CheckedVariant(make_variant(case_of(Pair()), 0, 1), verified=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(variants_command, "generate", interrupted)
    done = command("variants", "--count", "3")
    assert done.code == 130
    assert "1 of 1 variants verified" in done.out
    assert "interrupted after 1 variants" in done.err
