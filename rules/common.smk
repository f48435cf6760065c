# What the rules ask: which files a stage makes and needs, which data there is, what the run ends with.
# Device the training rules ask for; a CPU run must not queue for it.
GPU = 0 if settings.device == "cpu" else 1


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


def needed_by(name):
    """Files a stage reads: text, earlier stages, teacher signals, its vocabulary map, the gates."""
    stage = plan.stage(name)
    files = [f"{TEXT}/summary.json", *map(made_by, stage.ancestors())]
    if stage.imported is not None:
        files += sorted(
            str(path) for path in Path(stage.imported).rglob("*") if path.is_file()
        )
    if stage.compression is not None:
        files.append(str(layout.vocabulary(stage)))
    if stage.phase == "task" and stage.teachers:
        # Other gates do not change what a student learns, so a newer file is no reason to train again.
        files.append(ancient(f"{RESULTS}/gates.json"))
        files.extend(
            str(layout.signals(teacher))
            for teacher in stage.teachers
            if teacher.phase == "task"
        )
    return files


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
        Path(f"{DATA}/manifest.json"),
        *Path(TEXT).glob("*"),
        *Path(RESULTS).glob("glmd/**/*"),
        Path(f"{RESULTS}/gates.json"),
    ]


def code_of(name):
    return plan.code(plan.stage(name))


def raw_files():
    """Files of a data folder, so that a changed one is noticed; generated and fetched data have none."""
    if settings.data.source != "folder":
        return []
    root = Path(settings.data_root)
    vocab_txt = settings.data.vocabulary.vocab_txt
    vocabulary = [] if vocab_txt is None else [root / vocab_txt]
    named = [
        root / "superglue" / task / f"{split}.jsonl"
        for task in settings.tasks
        for split in ("train", "val")
    ]
    return [
        str(path)
        for path in (*named, *sorted((root / "corpus").glob("*.txt")), *vocabulary)
        if path.exists()
    ]


def mapped_stage(wildcards):
    """Any stage with this map: they all share it."""
    return next(
        stage
        for stage in plan.stages.values()
        if stage.compression is not None
        and layout.vocabulary(stage).parent.name == wildcards.mapped
    )


# Exhibits and the code that makes each.
TABLES = {
    "table1": "retort.reporting.table1:table1",
    "table2": "retort.reporting.table2:table2",
    "table3": "retort.reporting.table3:table3",
}
TABLES |= {
    "table3_held_out": TABLES["table3"],
    "table4": "retort.reporting.ablations:table4",
    "table5": "retort.reporting.ablations:table5",
    "table6": "retort.reporting.table6:table6",
    "table7": "retort.reporting.table7:table7",
    "table8": "retort.reporting.table8:table8",
    "table9": "retort.reporting.table9:table9",
    "claims": "retort.reporting.claims_table:claims_table",
    "quirk_effects": "retort.reporting.quirk_effects:quirk_effects",
}
FIGURES = {
    name: f"retort.reporting.{name}"
    for name in ("overview", "figure2", "figure3", "figure5")
}


def exhibits():
    tables = expand(
        f"{RESULTS}/glmd/tables/{{name}}.{{kind}}",
        name=TABLES,
        kind=("csv", "md", "tex"),
    )
    figures = expand(
        f"{RESULTS}/glmd/figures/{{name}}.{{kind}}", name=FIGURES, kind=("png", "svg")
    )
    return [*tables, *figures, f"{RESULTS}/report/index.html"]


def templates():
    """Digest of the page's templates, style and script: a fingerprint of code does not see them."""
    return digest_of(
        {path.name: sha256_of(path) for path in sorted(TEMPLATES.iterdir())}
    )


def drawn_from(name):
    """Files a figure reads besides the text: logs of the pretraining of the methods that it shows."""
    shown = {"figure2": figure2.METHODS, "figure5": figure5.METHODS}.get(name, ())
    ends = [
        stage for cell in plan.cells if cell.method in shown for stage in cell.stages
    ]
    logs = []
    for stage in ends:
        while stage is not None:
            if stage.phase == "pretraining" and stage.teachers:
                logs.append(f"{stage_folder(stage.id)}/log.jsonl")
            stage = stage.init
    return sorted(set(logs))
