"""The texts of the dataset that `export --parquet` writes: its card, `eval.yaml` and question."""

from __future__ import annotations

BROKEN, HEALTHY = "BROKEN", "HEALTHY"
_QUESTION = """\
This PyTorch program may contain one mistake, which may or may not raise an exception, or it may be
correct. End your answer with a line that is the single word {broken} or {healthy}.

```python
{source}```
"""
EVAL = """\
name: Broken ConvNets
description: >-
  Say of small PyTorch programs whether they contain a mistake.
evaluation_framework: inspect-ai
tasks:
  - id: detect
    config: answers
    split: test
    field_spec:
      input: question
      target: target
    solvers:
      - name: generate
    scorers:
      - name: match
        args:
          location: end
          ignore_case: false
"""
CARD = """\
---
license: mit
language:
  - en
pretty_name: Broken ConvNets
size_categories:
  - n<1K
tags:
  - code
  - pytorch
  - program-repair
configs:
  - config_name: programs
    default: true
    data_files:
      - split: test
        path: programs/test.parquet
  - config_name: answers
    data_files:
      - split: test
        path: answers/test.parquet
---

# Broken ConvNets

Small PyTorch programs, written by `broken-convnets export --parquet` of release VERSION. Each is
one side of a pair of a broken program and its fixed version, or a program that looks broken but
works. A solver says whether the program is correct, and repairs it if it is not.

## Files

| configuration | column | content |
| --- | --- | --- |
| `programs` | `id` | twelve random hexadecimal digits |
| | `prompt` | the request: a unified diff of the program, or NOTHING |
| | `program` | the text of the program, which is also in the prompt |
| `answers` | `id` | that of the program |
| | `question` | the program, with the question whether it is BROKEN or HEALTHY |
| | `target` | BROKEN or HEALTHY |
| | `entry`, `role` | the entry of the corpus, and which of its programs this is |
| | `patch` | the true fix as a unified diff; empty for a healthy program |

## Where the answers are, and why a solver does not see them

The answers are in the folder `answers`: the configuration of that name, and `key.json`, which
`broken-convnets score` reads. The default configuration has no column that tells an answer. Sides,
ids and order are drawn at random. An evaluation passes `prompt`, or `question`, to the solver and
nothing else: `eval.yaml` names these columns. The column `target` is read by the scorer after the
solver has answered. Do not give a solver this folder, or a network connection: the corpus is
public.

## Evaluate

Repairs are judged by running them, which needs `pip install 'broken-convnets[torch]==VERSION'`.
Write one line for each program, {"instance_id": ID, "model_patch": DIFF}, with an empty diff for a
correct program, and score them:

```sh
broken-convnets score --key answers/key.json --predictions predictions.jsonl
```

With [Inspect AI](https://inspect.aisi.org.uk/), `inspect eval broken_convnets/repair` draws
programs of the installed corpus and judges the answers. `eval.yaml` needs no other software than
Inspect, and asks only whether a program is broken: `inspect eval hf/OWNER/NAME`.
"""


def question_for(source: str) -> str:
    """Return the question whether a program is broken."""
    return _QUESTION.format(broken=BROKEN, healthy=HEALTHY, source=source)
