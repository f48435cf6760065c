# Slices through the loss around the students by ATKD and by what it was put on, of each pair that has both.
from retort.evaluation.sliced import beside_atkd

SLICED = beside_atkd(plan.cells_of("atkd"))


rule landscape:
    input:
        [models_of(stage) for cell in SLICED for stage in cell.stages],
        [
            text_folder(name)
            for cell in SLICED
            for stage in cell.stages
            for name in (stage.data, *(run.text for run in stage.runs.values()))
        ],
    output:
        f"{RESULTS}/atkd/landscape.csv",
    log:
        f"{LOGS}/landscape.log",
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPU,
    params:
        code=fingerprint(["retort.evaluation.slices:measure_landscape"]),
        rows=digest_of(
            [[c.method, c.pair, c.seed, *(s.id for s in c.stages)] for c in SLICED]
        ),
        config=config_file,
    shell:
        "python scripts/measure_landscape.py --config {params.config} --threads {threads} 2>&1 | tee {log}"
