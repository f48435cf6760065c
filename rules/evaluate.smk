# One long table of all scores, and the batch size and learning rate behind each
# (predictions and metrics are written by the task stages).
rule scores:
    input:
        lambda wildcards: list(map(made_by, scored_stages(wildcards.paper))),
        lambda wildcards: [
            text_folder(run.text)
            for stage in scored_stages(wildcards.paper)
            for run in stage.runs.values()
        ],
    output:
        f"{RESULTS}/{{paper}}/scores.csv",
        f"{RESULTS}/{{paper}}/hyper_parameters.csv",
    log:
        f"{LOGS}/scores.{{paper}}.log",
    conda:
        "../envs/train.yaml"
    params:
        code=fingerprint(["retort.evaluation.collect:collect_scores"]),
        rows=lambda wildcards: rows(wildcards.paper),
        config=config_file,
    shell:
        "python scripts/collect_scores.py --config {params.config} --paper {wildcards.paper} 2>&1 | tee {log}"
