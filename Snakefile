# Retort: every table and figure from raw data, in one DAG.
# What is in the DAG is decided by src/retort/plan.py; the rules only say how each kind of step runs.
import os
import shutil
import sys
from pathlib import Path

from snakemake.utils import min_version

from retort.config import read_yaml, resolve, typed
from retort.config.model import as_text
from retort.errors import told
from retort.files import date_back, digest_of, sha256_of, write_text
from retort.hashes import remembered_hashes
from retort.fingerprint import fingerprint, root_of
from retort.plan import Plan
from retort.reporting.exhibits import EXHIBITS, exhibits_of
from retort.reporting.tables import TEMPLATES
from retort.texts import CORPUS, part_of

min_version("9.27")


configfile: "config.yaml"


# Rules call `python`: the one that runs Snakemake, unless conda puts its own before it.
PATHS = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
os.environ.update(PATH=os.pathsep.join(PATHS))
os.environ.setdefault("PYTHONHASHSEED", "0")

with told():
    # Read once more, because Snakemake's reader keeps the last of two equal keys and says nothing.
    for path in map(Path, workflow.configfiles):
        read_yaml(path)
    plan = Plan(resolve(typed(config)))
    plan.stages
    settings = plan.config
    layout = plan.layout
    # Steps read the resolved configuration from a file that is named after its content: whoever starts or
    # plans another run in this folder meanwhile writes another file. It is no input, because each stage's
    # folder is already named after everything that the stage depends on.
    CONFIG = layout.config(plan.digest)
    if not CONFIG.exists() or CONFIG.read_text() != as_text(settings):
        write_text(CONFIG, as_text(settings))
RESULTS = str(layout.root)
LOGS = f"{RESULTS}/logs"
TEXT = str(layout.text(plan.text.get(CORPUS, CORPUS)))


wildcard_constraints:
    paper="|".join(settings.papers),
    pretrained=r"[^/]+\.pre\.[^/]+",
    tuned=r"[^/]+\.task\.[^/]+",
    mapped=r"[0-9a-f]+",
    raw=r"[\w-]+\.[0-9a-f]+",
    words=r"\w+-\w+\.[0-9a-f]+",
    task=r"(?!corpus\.)(\w+|\w+-\w+-[\w-]+)\.[0-9a-f]+",


include: "rules/common.smk"
include: "rules/devices.smk"
include: "rules/data.smk"
include: "rules/teacher.smk"
include: "rules/vocab.smk"
include: "rules/pretrain.smk"
include: "rules/task.smk"
include: "rules/evaluate.smk"
include: "rules/speed.smk"
include: "rules/landscape.smk"
include: "rules/report.smk"


# Jobs of a cluster run Snakemake, too: they date nothing that others are reading.
if workflow.is_main_process:
    date_back(passed_on())


# Seconds each: not worth a place in a queue.
localrules:
    all,
    gates,
    scores,
    table,
    figure,
    claims,
    report,


rule all:
    default_target: True
    input:
        exhibits(),


onstart:
    # For people and their scripts; no step reads it.
    write_text(f"{RESULTS}/config.json", as_text(settings))


onsuccess:
    # Kept for the case that something would have to be made again.
    shutil.rmtree(f"{RESULTS}/.finished", ignore_errors=True)
    # A run for single files may end long before there are scores.
    if all(
        Path(f"{RESULTS}/{paper}/scores.csv").exists() for paper in settings.papers
    ):
        shell(f"python scripts/summarise.py --results {RESULTS} --config {CONFIG}")


onerror:
    print(
        f"The run stopped. Each step's own words are in {LOGS}; mend the cause and run the same command again."
    )
