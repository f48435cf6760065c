# Task stages: a teacher or student on SuperGLUE tasks, several tasks in one job.
rule distill_task:
    input:
        lambda wildcards: needed_by(wildcards.tuned),
    output:
        models=directory(f"{RESULTS}/stages/{{tuned}}/tasks"),
        metrics=f"{RESULTS}/stages/{{tuned}}/metrics.json",
    log:
        f"{LOGS}/{{tuned}}.log",
    priority: 40
    group:
        lambda wildcards: group_of(wildcards.tuned)
    conda:
        "../envs/train.yaml"
    resources:
        gpu=lambda wildcards: gpus_of(wildcards.tuned),
        turn=1,
        runtime=lambda wildcards, attempt: requests.minutes(wildcards.tuned, attempt),
        mem_mb=lambda wildcards, attempt: requests.megabytes(wildcards.tuned, attempt),
    params:
        code=lambda wildcards: code_of(wildcards.tuned),
        config=CONFIG,
    shell:
        "trap '' TERM; python scripts/distill_task.py --config {params.config} --stage {wildcards.tuned}"
        " --threads {threads} 2>&1 | tee {log}"
