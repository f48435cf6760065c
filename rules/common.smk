# What the rules ask: which files a stage makes and needs, which data there is, what the run ends with.
from retort.costs.requests import Requests
from retort.data.parts import encoder_of, files_of, provider_of
from retort.evaluation.sliced import beside_atkd
from retort.stage_code import signals_code

# Device of steps that run a single model; a CPU run must not queue for it.
GPU = 0 if settings.device == "cpu" else 1

# Time and memory that jobs ask for on a cluster; each further attempt asks for more.
requests = Requests(plan)

# What starts a training script: torchrun where its models are shared out among several processes.
# Their number comes as a resource, because a changed resource makes no finished stage again.
# The shell outlives SIGTERM, which is for the script: it saves its state first.
LAUNCH = (
    "trap '' TERM; run=python; [ {resources.processes} -le 1 ] ||"
    ' run="torchrun --standalone --nproc-per-node {resources.processes}"; $run'
)


def processes_of(name):
    """Processes that train a stage together, each on a device of its own."""
    return plan.devices(plan.stage(name))


def gpus_of(name):
    """GPUs of a stage's job."""
    return GPU * processes_of(name)


def group_of(name):
    """Short stages that nobody waits for run in turn in one job, as many as the profile says."""
    return "students" if requests.packed(name) else None


def config_file(wildcards, input):
    """The configuration's file. Snakemake takes a parameter that is made from the input for no reason to run
    a job again; a plain one it would, and then another seed would make everything anew.
    """
    return str(CONFIG)


def stage_folder(name):
    return f"{RESULTS}/stages/{name}"


def made_by(stage):
    """The file that stands for a finished stage."""
    name = "metrics.json" if stage.phase == "task" else "model.safetensors"
    return f"{stage_folder(stage.id)}/{name}"


def models_of(stage):
    """What later stages read of a finished stage, and its cards. Of a task stage that is the folder of its
    runs: other weights may give the same metrics."""
    name = "tasks" if stage.phase == "task" else "model.safetensors"
    return f"{stage_folder(stage.id)}/{name}"


def raw_of(part):
    """The file that stands for the raw data of the corpus or of a task."""
    return str(layout.data(plan.data[part]) / "manifest.json")


def text_of(part):
    """The file that stands for the encoded corpus or task."""
    return text_folder(plan.text[part])


def text_folder(name):
    """The same by the name of its folder."""
    return str(layout.text(name) / "summary.json")


def tokenizer_of(part):
    """The tokenizer that a task is encoded with."""
    return str(layout.text(plan.text[plan.parts[part].words]) / "tokenizer.json")


def raws_of(part):
    """Raw data that an encoded part is made from."""
    return list(map(raw_of, plan.parts[part].raws))


def needed_by(name):
    """Files a stage reads: text, earlier stages, teacher signals, its vocabulary map."""
    stage = plan.stage(name)
    files = [text_folder(stage.data)]
    files += [text_folder(run.text) for run in stage.runs.values()]
    files += map(models_of, stage.ancestors())
    files += map(ancient, imported_files(stage))
    if stage.compression is not None:
        files.append(str(layout.vocabulary(stage)))
    files += [str(layout.signals(teacher)) for teacher in stage.told_by]
    return list(dict.fromkeys(files))


def imported_files(stage):
    """Files of the checkpoint that is taken as the result of a stage."""
    if stage.imported is None:
        return []
    return sorted(
        str(path) for path in Path(stage.imported).rglob("*") if path.is_file()
    )


def passed_on():
    """What steps make for other steps."""
    made = [Path(made_by(stage)) for stage in plan.stages.values()]
    folders = [
        *(path.parent / "tasks" for path in made),
        *(layout.signals(stage) for stage in plan.stages.values()),
    ]
    # Snakemake dates a folder by this file in it.
    made += [folder / ".snakemake_timestamp" for folder in folders]
    maps = {
        layout.vocabulary(stage) for stage in plan.stages.values() if stage.compression
    }
    return [
        *made,
        *maps,
        *(layout.data(name) / "manifest.json" for name in plan.data.values()),
        *(file for name in plan.text.values() for file in layout.text(name).glob("*")),
        *(
            file
            for paper in settings.papers
            for file in Path(RESULTS).glob(f"{paper}/**/*")
        ),
        Path(f"{RESULTS}/gates.json"),
    ]


def code_of(name):
    return plan.code(plan.stage(name))


def raw_files(part):
    """A part's files in a data folder; generated and fetched data have none."""
    return list(map(str, files_of(settings, part)))


def bytes_of(files):
    """Digest of what given files hold: their times say nothing, as copies have new ones."""
    return digest_of(remembered_hashes(files, Path(RESULTS) / ".hashes.json"))


def raw_code(part):
    """Fingerprint of what makes raw data of this source."""
    return fingerprint([root_of(provider_of(settings, part))])


def encoding_code(part):
    """Fingerprint of what encodes a part."""
    return fingerprint([root_of(encoder_of(plan, part))])


def mapped_stage(wildcards):
    """Any stage with this map: they all share it."""
    return next(
        stage
        for stage in plan.stages.values()
        if stage.compression is not None
        and layout.vocabulary(stage).parent.name == wildcards.mapped
    )


def shown():
    """The papers that have exhibits; of the others a run ends with the scores."""
    return [paper for paper in settings.papers if paper in EXHIBITS]


def tables(kinds):
    """Files of the tables of every paper."""
    return [
        f"{RESULTS}/{paper}/tables/{name}.{kind}"
        for paper in shown()
        for name in exhibits_of(paper).tables
        for kind in kinds
    ]


def figures(kinds):
    """Files of the figures of every paper."""
    return [
        f"{RESULTS}/{paper}/figures/{name}.{kind}"
        for paper in shown()
        for name in exhibits_of(paper).figures
        for kind in kinds
    ]


def exhibits():
    return [
        *tables(("csv", "md", "tex")),
        *figures(("png", "svg")),
        *([f"{RESULTS}/report/index.html"] if shown() else []),
        *(
            f"{RESULTS}/{paper}/scores.csv"
            for paper in settings.papers
            if paper not in shown()
        ),
    ]


def templates(pattern):
    """Digest of templates, with the page's style and script: a fingerprint of code does not see them."""
    return digest_of(
        {path.name: sha256_of(path) for path in sorted(TEMPLATES.glob(pattern))}
    )


def texts_of(paper, which):
    """The files that stand for encoded parts of a paper: none, those with a vocabulary, all."""
    own = {part: made for part, made in plan.parts.items() if made.paper == paper}
    words = [part for part, made in own.items() if made.task is None]
    return list(map(text_of, {"none": (), "vocabulary": words, "all": own}[which]))


def shown_in(exhibit, paper):
    """Files that an exhibit of a paper is made from."""
    return [
        *(f"{RESULTS}/{paper}/{name}.csv" for name in exhibit.of),
        *exhibit.reads,
        *logs_of(exhibit.logs),
        *(scored(paper) if exhibit.runs else ()),
        *texts_of(paper, exhibit.text),
    ]


def judged_from(paper):
    """Files that the claims of a paper are judged by, besides their ledger."""
    found = exhibits_of(paper)
    return [
        *(f"{RESULTS}/{paper}/{name}.csv" for name in found.judged_of),
        *(f"{RESULTS}/{paper}/figures/{name}.csv" for name in found.judged),
        *found.judged_by,
        *scored(paper),
        *texts_of(paper, found.judged_text),
    ]


def timed_models(paper):
    """Digest of the models of a paper's tracks and of what they are timed on."""
    timed = {"family", "models", "teachers", "tasks"}
    tracks = settings.section(paper).tracks.values()
    return digest_of([track.model_dump(mode="json", include=timed) for track in tracks])


def sliced(paper):
    """Cells of the students that the loss is cut through."""
    return beside_atkd(plan.cells_of(paper))


def logs_of(methods):
    """Logs of the pretraining of methods: where their distances to the teacher are."""
    ends = [
        stage for cell in plan.cells if cell.method in methods for stage in cell.stages
    ]
    logs = []
    for stage in ends:
        while stage is not None:
            if stage.phase == "pretraining" and stage.teachers:
                logs.append(f"{stage_folder(stage.id)}/distances.jsonl")
            stage = stage.init
    return sorted(set(logs))


def least_scores():
    """Digest of what teachers of all papers have to score."""
    teachers = [cell for cell in plan.cells if cell.role == "teacher"]
    return digest_of(
        [
            [dict(least.before), dict(least.after), least.average]
            for least in (cell.least for cell in teachers)
        ]
    )


def scored_stages(paper):
    """The stages whose scores a paper's exhibits show."""
    return {
        stage.id: stage for cell in plan.cells_of(paper) for stage in cell.stages
    }.values()


def scored(paper):
    """The folders of all runs whose scores are shown."""
    return list(map(models_of, scored_stages(paper)))


def rows(paper):
    """Digest of what the rows of the scores are called and where they come from."""
    cells = [
        [cell.role, cell.method, cell.pair, cell.seed, *(s.id for s in cell.stages)]
        for cell in plan.cells_of(paper)
    ]
    tasks = [task for stage in scored_stages(paper) for task in stage.tasks]
    return digest_of([cells, list(dict.fromkeys(tasks))])
