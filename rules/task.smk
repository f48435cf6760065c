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
    conda:
        "../envs/train.yaml"
    threads: lambda wildcards: processes_of(wildcards.tuned)
    resources:
        gpu=lambda wildcards: gpus_of(wildcards.tuned),
        processes=lambda wildcards: processes_of(wildcards.tuned),
    params:
        code=lambda wildcards: code_of(wildcards.tuned),
        config=CONFIG,
    shell:
        LAUNCH
        + " scripts/distill_task.py --config {params.config} --stage {wildcards.tuned}"
        " --threads {threads} 2>&1 | tee {log}"
