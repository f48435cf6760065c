# Time of teachers and students on a batch. Weights are random, so nobody has to be trained first: only the words
# of each track are needed, whose number decides the largest matrix.
rule speed:
    input:
        lambda wildcards: texts_of(wildcards.paper, "vocabulary"),
    output:
        f"{RESULTS}/{{paper}}/speed.csv",
    log:
        f"{LOGS}/{{paper}}.speed.log",
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPU,
    params:
        code=fingerprint(["retort.evaluation.speed:measure_speed"]),
        models=lambda wildcards: timed_models(wildcards.paper),
        config=config_file,
    shell:
        "python scripts/measure_speed.py --config {params.config} --paper {wildcards.paper} --threads {threads} 2>&1 | tee {log}"
