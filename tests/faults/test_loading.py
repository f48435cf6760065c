"""Nothing that is read may run: weights are safetensors, pickles are unpickled as plain data or refused."""

from __future__ import annotations

import ast
import os

import pytest
import torch
from fault_world import CONFIG

UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "_pickle"}


def calls_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


def findings(source: str) -> list[str]:
    """What in a source could run code out of a file."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            found += [f"import {name}" for name in names if name.split(".")[0] in UNPICKLERS]
            imported = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom) and node.module == "torch" and "load" in imported:
                found.append("from torch import load")
    for name, words in calls_of(tree):
        if name == "torch.load" and words.get("weights_only") != "True":
            found.append("torch.load without weights_only=True")
        if name in ("np.load", "numpy.load") and words.get("allow_pickle", "False") != "False":
            found.append("np.load with pickles")
        if name in (
            "torch.jit.load",
            "torch.package.PackageImporter",
            "torch.hub.load",
            "np.loads",
            "pd.read_pickle",
        ):
            found.append(name)
        if name.endswith(".from_pretrained") and words.get("trust_remote_code", "False") != "False":
            found.append("trust_remote_code")
        if name.endswith("Model.from_pretrained") and words.get("use_safetensors") != "True":
            found.append("from_pretrained without use_safetensors=True")
    return found


def test_no_source_unpickles(root):
    sources = [*(root / "src").rglob("*.py"), *(root / "scripts").glob("*.py")]
    assert len(sources) > 100
    assert {str(path): findings(path.read_text()) for path in sources if findings(path.read_text())} == {}
    loads = [
        path.name
        for path in sources
        for name, _ in calls_of(ast.parse(path.read_text()))
        if name == "torch.load"
    ]
    assert sorted(loads) == ["checkpoint.py", "checkpoints.py"]  # the authors' releases, our own states


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load('a')",
        "import torch\ntorch.load('a', weights_only=False)",
        "from torch import load\nload('a')",
        "import pickle",
        "from pickle import loads",
        "import numpy as np\nnp.load('a', allow_pickle=True)",
        "AutoModel.from_pretrained('a', trust_remote_code=True)",
        "BertModel.from_pretrained('a')",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert findings(source)


class Malicious:
    """Runs a command when unpickled without care."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_a_malicious_checkpoint_is_refused_with_one_line(forge, tmp_path):
    """Given as a teacher to import, in the layout of the authors' releases."""
    from retort.errors import InputError
    from retort.plan import Plan
    from retort.training.pretraining import import_teacher
    from retort.training.setup import Job

    (tmp_path / "given" / "best").mkdir(parents=True)
    (tmp_path / "given" / "latest_checkpointed_iteration.txt").write_text("best")
    content = {"module": {"w": torch.zeros(2)}, "args": Malicious(tmp_path / "was-here")}
    torch.save(content, tmp_path / "given" / "best" / "mp_rank_00_model_states.pt")
    plan = Plan(CONFIG.model_copy(update={"import_teacher": {"T1": str(tmp_path / "given")}}), forge.base)
    job = Job(plan.layout, "code", torch.device("cpu"), plan.digest, ("python",))
    with pytest.raises(
        InputError, match="mp_rank_00_model_states.pt: cannot be read as plain weights"
    ) as error:
        import_teacher(plan.pretrained("T1"), job)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "was-here").exists() and not plan.layout.stage(plan.pretrained("T1")).exists()


def test_a_training_state_that_someone_put_there_runs_nothing(tmp_path):
    from retort.files import sha256_of
    from retort.training.checkpoints import Scratch

    whole = tmp_path / "state.pt"
    torch.save({"step": 3, "extra": Malicious(tmp_path / "was-here")}, whole)
    whole.rename(tmp_path / f"state-000000003-{sha256_of(whole)[:16]}.pt")
    with pytest.raises(Exception, match="Weights only load failed|weights_only"):
        Scratch(tmp_path).load()
    assert not (tmp_path / "was-here").exists()
