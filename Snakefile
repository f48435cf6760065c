# Retort: every table and figure from raw data, in one DAG.
# What is in the DAG is decided by src/retort/plan.py; the rules only say how each kind of step runs.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

from retort.config import resolve, typed
from retort.config.model import as_text
from retort.errors import InputError
from retort.files import digest_of, sha256_of, write_text
from retort.hashes import remembered_hashes
from retort.fingerprint import fingerprint
from retort.plan import Plan
from retort.reporting.exhibits import FIGURES, JUDGED, JUDGED_BY, TABLES
from retort.reporting.tables import TEMPLATES
from retort.texts import CORPUS, part_of

min_version("9.27")


configfile: "config.yaml"


# Rules call `python`: the one that runs Snakemake, unless conda puts its own before it.
PATHS = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
os.environ.update(PATH=os.pathsep.join(PATHS))
os.environ.setdefault("PYTHONHASHSEED", "0")

try:
    plan = Plan(resolve(typed(config)))
    plan.stages
except InputError as error:
    # One line and the exit code of bad input; an exception would come with Snakemake's traceback.
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
settings = plan.config
layout = plan.layout
RESULTS = str(layout.root)
LOGS = f"{RESULTS}/logs"
TEXT = str(layout.text(plan.text[CORPUS]))
# Exhibits show the configuration itself.
SETTINGS = digest_of(settings.model_dump(mode="json"))

# Steps read the resolved configuration from a file; it is no input, because each stage's folder
# is already named after everything that the stage depends on.
CONFIG = f"{RESULTS}/config.json"
if not Path(CONFIG).exists() or Path(CONFIG).read_text() != as_text(settings):
    write_text(CONFIG, as_text(settings))


wildcard_constraints:
    pretrained=r"[^/]+\.pre\.[^/]+",
    tuned=r"[^/]+\.task\.[^/]+",
    mapped=r"[0-9a-f]+",
    raw=r"\w+\.[0-9a-f]+",
    task=r"(?!corpus\.)\w+\.[0-9a-f]+",


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/teacher.smk"
include: "rules/vocab.smk"
include: "rules/pretrain.smk"
include: "rules/task.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        exhibits(),


onsuccess:
    # A run for single files may end long before there are scores.
    if Path(f"{RESULTS}/glmd/scores.csv").exists():
        shell(f"python scripts/summarise.py --results {RESULTS}")


onerror:
    print(
        f"The run stopped. Each step's own words are in {LOGS}; mend the cause and run the same command again."
    )
