# Slices through the loss around the students by ATKD and by what it was put on, of each pair that has both.
rule landscape:
    input:
        lambda wildcards: [
            models_of(stage)
            for cell in sliced(wildcards.paper)
            for stage in cell.stages
        ],
        lambda wildcards: [
            text_folder(name)
            for cell in sliced(wildcards.paper)
            for stage in cell.stages
            for name in (stage.data, *(run.text for run in stage.runs.values()))
        ],
    output:
        f"{RESULTS}/{{paper}}/landscape.csv",
    log:
        f"{LOGS}/{{paper}}.landscape.log",
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPU,
    params:
        code=fingerprint(["retort.evaluation.slices:measure_landscape"]),
        rows=lambda wildcards: digest_of(
            [
                [c.method, c.pair, c.seed, *(s.id for s in c.stages)]
                for c in sliced(wildcards.paper)
            ]
        ),
        config=config_file,
    shell:
        "python scripts/measure_landscape.py --config {params.config} --paper {wildcards.paper} --threads {threads} 2>&1 | tee {log}"
