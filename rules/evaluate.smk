# One long table of all scores, and the batch size and learning rate behind each
# (predictions and metrics are written by the task stages).
rule scores:
    input:
        [made_by(stage) for cell in plan.cells for stage in cell.stages],
        [text_of(task) for task in settings.tasks],
    output:
        f"{RESULTS}/glmd/scores.csv",
        f"{RESULTS}/glmd/hyper_parameters.csv",
    log:
        f"{LOGS}/scores.log",
    conda:
        "../envs/train.yaml"
    params:
        code=fingerprint(["retort.evaluation.collect:collect_scores"]),
        rows=rows(),
        config=config_file,
    shell:
        "python scripts/collect_scores.py --config {params.config} 2>&1 | tee {log}"
